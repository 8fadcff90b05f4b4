"""Balanced accuracy over the number of labels: mean and interval of each arm, gain over scratch.

The trainings of an arm on a part of the labels are a group of runs, as those of a table over folds
and seeds: a draw takes the place of a seed. So intervals are those of ``statistics``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import mean

from ..arm_records import LabelRecord
from ..records import Results, RunRecord
from ..settings import SCRATCH
from .intervals import EACH_RUN, UNPAIRED, Unit, on_one_fold, over_folds, sampling_error
from .statistics import (
    BALANCED,
    Difference,
    FoldSeed,
    RunGroup,
    difference,
    metrics,
    run_group,
    with_own,
)
from .words import words

_NOTE = (
    "Balanced accuracy on the test fold, mean over the draws with a 95 % interval, and the gain "
    "over training from scratch on the same draws (several folds: corrected resampled t interval; "
    "one fold: sampling error of its test images{together}, for a gain on the same images, and "
    "variance over the draws where there are several; {unpaired}). Intervals are not corrected "
    "for their number. Labels are drawn {whole}class by class, at least one {group} of each, the "
    "same for all arms; a larger part contains a smaller one of the same draw. Pre-trainings see "
    "all training images, without labels. Learning rates are chosen for each arm and part on the "
    "validation {groups}, whose labels come on top. A tenth of the labels is trained on for twice "
    "as many epochs."
)
_DRAWS = 1000  # more than any number of draws: keeps those of different seeds apart
# What runs share on one fold: draws are the same labels for every seed.
_PARTS: tuple[Unit, ...] = (lambda number: number // _DRAWS, lambda number: number % _DRAWS)


@dataclass(frozen=True)
class LabelPoint:
    """An arm at a number of labels.

    Attributes:
        percent: Part of the labels.
        images: Labelled images, the mean over draws and folds.
        mean: Mean balanced accuracy.
        half_width: Half the width of its 95 % interval.
        runs: Number of trainings.
        gain: Balanced accuracy minus that from scratch on the same draws; None for that itself.
    """

    percent: float
    images: float
    mean: float
    half_width: float
    runs: int
    gain: Difference | None = None

    @property
    def text(self) -> str:
        """Return mean and interval for a table."""
        return f"{self.mean:.3f} ± {self.half_width:.3f}"

    @property
    def gain_text(self) -> str:
        """Return the gain and its interval for a table; empty without one."""
        if self.gain is None or self.gain.half_width is None:
            return ""
        return f"{self.gain.mean:+.3f} ± {self.gain.half_width:.3f}"


def few_labels_note() -> str:
    """Return what the numbers on few labels are, in the words of the study's data."""
    said = words()
    whole = f"by whole {said.groups}, " if said.grouped else ""
    together = f" by whole {said.groups}" if said.grouped else ""
    return _NOTE.format(
        whole=whole, together=together, unpaired=UNPAIRED, group=said.group, groups=said.groups
    )


def label_curves(studies: Sequence[tuple[Path, Results]]) -> dict[str, list[LabelPoint]]:
    """Return the points of each arm by percentage; empty without ``--labels``.

    Arms whose pre-training has read labels are left out. Training from scratch in the same study
    is preferred for a gain.

    Args:
        studies: Studies of the same data and fine-tuning, each with its folder. Where several have
            an arm on the same part, fold and seed, the last one counts.
    """
    studies = [(folder, results) for folder, results in studies if results.labels]
    runs = [run for _, results in studies for run in results.runs]
    # A pre-training with labels knows those that a part lacks.
    knowing = {run.arm for run in runs if run.saw_labels}
    arms = dict.fromkeys(run.arm for run in runs if run.arm not in knowing)
    groups = {arm: _groups(studies, arm) for arm in arms}
    scratch = groups.get(SCRATCH, {})
    return {
        arm: [_point(percent, *members, scratch.get(percent)) for percent, members in own.items()]
        for arm, own in groups.items()
    }


@dataclass(frozen=True)
class _Training:
    """A training on a part of the labels, as the record of a classifier."""

    percent: float
    number: FoldSeed  # fold and draw; seeds have draws of their own
    images: float
    run: RunRecord


def _trainings(results: Results, arm: str) -> list[_Training]:
    """Return the trainings of an arm of a study, that on all labels last."""
    run = next((run for run in results.runs if run.arm == arm), None)
    if run is None:
        return []
    few = [
        _Training(
            record.percent,
            (run.fold, run.seed * _DRAWS + record.draw),
            record.images,
            _as_run(record, run),
        )
        for record in results.labels
        if record.arm == arm
    ]
    images = sum(results.split.get("train", {}).values())
    return [*few, _Training(100.0, (run.fold, run.seed), images, run)]


def _groups(
    studies: Sequence[tuple[Path, Results]], arm: str
) -> dict[float, tuple[RunGroup, float]]:
    """Return the trainings of an arm by percentage, 100 last, each with its number of images."""
    # By percentage, then by fold and seed: draws of several studies are not mixed.
    found: dict[float, dict[FoldSeed, list[tuple[Path, Results, _Training]]]] = {}
    for folder, results in studies:
        trainings = _trainings(results, arm)
        for percent in {training.percent for training in trainings}:
            part = [training for training in trainings if training.percent == percent]
            key = part[0].run.fold, part[0].run.seed
            found.setdefault(percent, {})[key] = [(folder, results, each) for each in part]
    own = {
        (folder, training.percent, training.number): training.run
        for folder, results in studies
        for training in _trainings(results, SCRATCH)
    }
    groups = {}
    for percent in sorted(found):
        chosen = [each for part in found[percent].values() for each in part]
        count = mean(training.images for _, _, training in chosen)
        num_test = mean(training.run.n_test for _, _, training in chosen)
        group = run_group(
            {each.number: (folder, study, each.run) for folder, study, each in chosen}
        )
        scratch = {
            each.number: own[folder, percent, each.number]
            for folder, _, each in chosen
            if (folder, percent, each.number) in own
        }
        ratio = num_test / max(count, 1)
        groups[percent] = replace(group, test_train_ratio=ratio, own_scratch=scratch), count
    return groups


def _as_run(record: LabelRecord, run: RunRecord) -> RunRecord:
    """Return a training on few labels as the record of a classifier."""
    return replace(
        run,
        lr=record.lr,
        epochs=record.epochs,
        balanced_accuracy=record.balanced_accuracy,
        accuracy=record.accuracy,
        macro_auc=record.macro_auc,
        recall=record.recall,
        confusion_matrix=record.confusion_matrix,
        errors=record.errors,
        seconds=record.seconds,
    )


def _point(
    percent: float, group: RunGroup, images: float, scratch: tuple[RunGroup, float] | None
) -> LabelPoint:
    """Return mean, interval and gain of a group."""
    folds: dict[int, dict[int, float]] = {}
    for (fold, number), run in group.runs.items():
        if run.balanced_accuracy is not None:
            folds.setdefault(fold, {})[number] = run.balanced_accuracy
    units = EACH_RUN if percent == 100 else _PARTS
    gain = None
    if scratch is not None and group.arm != SCRATCH:
        baseline = with_own(scratch[0], group)
        gain = difference(group, baseline, BALANCED, metrics([])[BALANCED], units)
    if not folds:
        return LabelPoint(percent, images, math.nan, math.nan, len(group.runs), gain)
    means = [mean(values.values()) for values in folds.values()]
    if len(means) > 1:
        spread = over_folds(means, group.test_train_ratio)
    else:
        (values,) = folds.values()
        square = mean(sampling_error(run) ** 2 for run in group.runs.values())
        spread = on_one_fold(values, math.sqrt(square), units)
    return LabelPoint(percent, images, mean(means), spread.half_width, len(group.runs), gain)
