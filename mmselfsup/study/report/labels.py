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
from .intervals import EACH_RUN, Unit, on_one_fold, over_folds, sampling_error
from .statistics import (
    BALANCED,
    Difference,
    FoldSeed,
    RunGroup,
    difference,
    metrics,
    run_group,
)
from .words import words

_NOTE = (
    "Balanced accuracy on the test fold, mean over the draws with a 95 % interval, and the gain "
    "over training from scratch on the same draws (several folds: corrected resampled t interval; "
    "one fold: sampling error of its test images by whole {groups}, for a gain on the same images, "
    "and variance over the draws where there are several). Intervals are not corrected for their "
    "number. Labels are drawn {whole}class by class, at least one {group} of each, the same for "
    "all arms; a larger part contains a smaller one of the same draw. Pre-trainings see all "
    "training images, without labels. Learning rates are chosen for each arm and part on the "
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
    return _NOTE.format(whole=whole, group=said.group, groups=said.groups)


def label_curves(studies: Sequence[Results]) -> dict[str, list[LabelPoint]]:
    """Return the points of each arm by percentage; empty without ``--labels``.

    Arms whose pre-training has read labels are left out.

    Args:
        studies: Studies of the same data and fine-tuning; of each arm one for each fold and seed.
    """
    studies = [results for results in studies if results.labels]
    runs = [run for results in studies for run in results.runs]
    # A pre-training with labels knows those that a part lacks.
    knowing = {run.arm for run in runs if run.saw_labels}
    arms = dict.fromkeys(run.arm for run in runs if run.arm not in knowing)
    groups = {arm: _groups(studies, arm) for arm in arms}
    scratch = groups.get(SCRATCH, {})
    return {
        arm: [_point(percent, *members, scratch.get(percent)) for percent, members in own.items()]
        for arm, own in groups.items()
    }


_Member = tuple[Path, Results, RunRecord]


def _groups(studies: Sequence[Results], arm: str) -> dict[float, tuple[RunGroup, float]]:
    """Return the trainings of an arm by percentage, 100 last, each with its number of images."""
    members: dict[float, dict[FoldSeed, _Member]] = {}
    images: dict[float, list[float]] = {}
    for results in studies:
        run = next((run for run in results.runs if run.arm == arm), None)
        if run is None:
            continue
        for record in (record for record in results.labels if record.arm == arm):
            key = run.fold, run.seed * _DRAWS + record.draw
            found = members.setdefault(record.percent, {})
            found[key] = Path(), results, _as_run(record, run)
            images.setdefault(record.percent, []).append(record.images)
        whole = members.setdefault(100.0, {})
        whole[run.fold, run.seed] = Path(), results, run
        images.setdefault(100.0, []).append(sum(results.split.get("train", {}).values()))
    groups = {}
    for percent in sorted(members):
        count = mean(images[percent])
        num_test = mean(run.n_test for _, _, run in members[percent].values())
        group = run_group(members[percent])
        groups[percent] = replace(group, test_train_ratio=num_test / max(count, 1)), count
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
        gain = difference(group, scratch[0], BALANCED, metrics([])[BALANCED], units)
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
