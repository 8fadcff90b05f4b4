"""Runs of many studies in groups, and whether two groups differ by more than chance.

A ``RunGroup`` holds the runs of one classifier, which differ in nothing but fold and seed: their
``GroupKey`` is the same. It is compared with the runs from scratch that have its ``BaselineKey``:
the same data and fine-tuning. A group has mean and standard deviation of each metric, two groups
a difference with its 95 % interval.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import mean, stdev

from mmselfsup.utils.errors import UserError, one_line
from mmselfsup.utils.plurals import counted

from ..records import Results, RunRecord, read_results
from ..settings import SCRATCH
from .intervals import EACH_RUN, Unit, difference_error, on_one_fold, over_folds
from .tables import display_name, group_label

BALANCED = "balanced accuracy"
Metric = Callable[[RunRecord], float | None]
RESULTS = "results.json"
_NUMBER = re.compile(r" \(\d+\)$")  # in labels of groups that would have one name
_MOVED_ASIDE = re.compile(r"\.old-\d+$")
FoldSeed = tuple[int, int]  # fold, seed
_Member = tuple[Path, Results, RunRecord]  # folder of the study, the study, a run of it


def metrics(classes: Sequence[str]) -> dict[str, Metric]:
    """Return the metrics of a table by name: of the whole test fold, then the recalls."""

    def recall(name: str) -> Metric:
        return lambda run: run.recall.get(name)

    return {
        BALANCED: lambda run: run.balanced_accuracy,
        "accuracy": lambda run: run.accuracy,
        "macro AUC": lambda run: run.macro_auc,
        **{name: recall(name) for name in classes},
    }


@dataclass(frozen=True)
class Summary:
    """A metric over the runs of a group: mean, and standard deviation (None for a single run)."""

    mean: float
    std: float | None


@dataclass(frozen=True)
class BaselineKey:
    """Data and fine-tuning, common to pre-trained runs and those from scratch.

    A setting that an older version did not store counts as a value of its own.

    Attributes:
        demo: Whether the images are the demo's.
        images: Folder of the images; None for the demo's, which are always the same.
        lists: Hash of the lists of all folds.
        config: Fine-tuning config.
        config_sha256: Start of the hash of all it says.
        cfg_options: Its overrides.
        epochs: Epochs of fine-tuning.
        classes: Names of the classes.
        gpus: Processes of a training: they change the global batch.
        lrs: Learning rates tried: they change the choice among them.
    """

    demo: bool
    images: str | None
    lists: str
    config: str
    config_sha256: str
    cfg_options: tuple[str, ...]
    epochs: int
    classes: tuple[str, ...]
    gpus: int | None
    lrs: tuple[float, ...]


def baseline_key(run: RunRecord, results: Results) -> BaselineKey:
    """Return what a run must share with that from scratch which it is compared with."""
    study = results.study
    return BaselineKey(
        demo=study.demo,
        images=None if study.demo or study.data is None else study.data.images,
        lists=lists(results),
        config=run.config,
        config_sha256=run.config_sha256,
        cfg_options=tuple(run.cfg_options),
        epochs=run.epochs,
        classes=tuple(run.recall),
        gpus=study.gpus,
        lrs=study.lrs,
    )


def lists(results: Results) -> str:
    """Return the hash of the lists of all folds; empty in files of older versions."""
    return "" if results.study.data is None else results.study.data.lists


@dataclass(frozen=True)
class PretrainingKey:
    """Settings of a pre-training, done or to be chosen; fields as in ``SslRecord``."""

    name: str
    config: str
    config_sha256: str
    epochs: int
    images_of: str | None
    cfg_options: tuple[str, ...]


@dataclass(frozen=True)
class GroupKey:
    """All settings of a run except fold, seed and the chosen learning rate.

    Attributes:
        baseline: Data and fine-tuning.
        arm: Start of the classifier; None for a greedy curriculum, whose choice may differ from
            fold to fold.
        pretrainings: The pre-trainings behind it; those that a greedy curriculum chooses from.
        ssl_on: Images that the pre-trainings saw; None from scratch.
        min_gain: What a further task of a greedy curriculum must gain; None for any other run.
        start: Hash of the file of weights that it starts from; empty without ``--start``.
    """

    baseline: BaselineKey
    arm: str | None
    pretrainings: tuple[PretrainingKey, ...]
    ssl_on: str | None
    min_gain: float | None = None
    start: str = ""


def group_key(run: RunRecord, results: Results) -> GroupKey:
    """Return what the runs of a group have in common."""
    baseline = baseline_key(run, results)
    if not run.chosen_from:
        done = (
            PretrainingKey(
                s.name, s.config, s.config_sha256, s.epochs, s.images_of, tuple(s.cfg_options)
            )
            for s in run.ssl
        )
        start = next((arm.sha256 for arm in results.arms if arm.arm == run.arm), "")
        return GroupKey(baseline, run.arm, tuple(done), run.ssl_on, start=start)
    greedy = results.study.greedy
    if greedy is None:
        return GroupKey(baseline, None, (), run.ssl_on)
    choice = (
        PretrainingKey(name, t.config, t.config_sha256, t.epochs, run.ssl_on, t.cfg_options)
        for name, t in greedy.tasks.items()
    )
    return GroupKey(baseline, None, tuple(choice), run.ssl_on, greedy.min_gain)


@dataclass(frozen=True)
class RunGroup:
    """All runs of a classifier with the same settings.

    Attributes:
        label: Name for a table, different from that of any other group.
        runs: The runs by fold and seed.
        folders: Work directory of the study of each run.
        baseline_key: Key of data and fine-tuning, equal to that of the runs from scratch that it
            is compared with.
        test_train_ratio: Number of test images per training image, the mean over the runs.
        demo: Whether the images are the synthetic ones of the demo.
        lists: Hash of the lists; groups with the same one were tested on the same images.
        conditions: Data, learning rates tried and processes, as text.
        own_scratch: The training from scratch of the same study, by fold and seed.
        named_start: Whether its study has ``--start``.
        older: Runs that a newer one of the same fold and seed repeats, each with the folder of its
            study, oldest first.
    """

    label: str
    runs: Mapping[FoldSeed, RunRecord]
    folders: Mapping[FoldSeed, Path]
    baseline_key: BaselineKey
    test_train_ratio: float
    demo: bool
    lists: str
    conditions: str
    own_scratch: Mapping[FoldSeed, RunRecord]
    named_start: bool = False
    older: Mapping[FoldSeed, Sequence[tuple[Path, RunRecord]]] = field(default_factory=dict)

    @property
    def arm(self) -> str:
        """Start of the classifier."""
        return next(iter(self.runs.values())).arm

    @property
    def saw_test_images(self) -> bool:
        """Return whether the start of the classifier saw images that it was tested on."""
        return any(run.saw_test for run in self.runs.values())


def summarize(group: RunGroup, metric: Metric) -> Summary | None:
    """Return mean and standard deviation over folds and seeds; None if no run has the metric."""
    values = [v for v in map(metric, group.runs.values()) if v is not None]
    return Summary(mean(values), stdev(values) if len(values) > 1 else None) if values else None


@dataclass(frozen=True)
class Difference:
    """The mean of a difference, half the width of its 95 % interval, and its two-sided p-value.

    None: unknown.
    """

    mean: float
    half_width: float | None
    p_value: float | None = None

    @property
    def is_clear(self) -> bool:
        """Return whether the interval leaves out zero; one without a width tells nothing."""
        return bool(self.half_width) and abs(self.mean) > (self.half_width or 0.0)


def difference(
    first: RunGroup,
    second: RunGroup,
    name: str,
    metric: Metric,
    units: Sequence[Unit] = EACH_RUN,
) -> Difference | None:
    """Compare two groups on the folds and seeds that both have; None without any.

    Over several folds: see ``over_folds``, on the differences of the folds, seeds averaged first.
    On one fold: see ``on_one_fold``; for balanced accuracy only.

    Args:
        first, second: The groups.
        name: Name of the metric.
        metric: The metric.
        units: See ``on_one_fold``.
    """
    folds: dict[int, dict[int, float]] = {}
    errors: list[float] = []
    for fold, seed in sorted(first.runs.keys() & second.runs.keys()):
        one, other = first.runs[fold, seed], second.runs[fold, seed]
        a, b = metric(one), metric(other)
        if a is None or b is None:
            continue
        folds.setdefault(fold, {})[seed] = a - b
        same_study = first.folders[fold, seed] == second.folders[fold, seed]
        errors.append(difference_error(one, other, same_study))
    if not folds:
        return None
    means = [mean(values.values()) for values in folds.values()]
    if len(means) > 1:
        spread = over_folds(means, first.test_train_ratio)
    elif name == BALANCED:
        (values,) = folds.values()
        test_error = math.sqrt(mean(error**2 for error in errors))
        spread = on_one_fold(values, test_error, units)
    else:  # the sampling error of the others is not estimated
        return Difference(means[0], None)
    return Difference(mean(means), spread.half_width, spread.p_value)


def best(groups: Sequence[RunGroup], name: str, metric: Metric) -> RunGroup | None:
    """Return the group whose interval is better than every other group; None if unclear."""
    summaries = [(summarize(group, metric), group) for group in groups]
    known = [(summary.mean, group) for summary, group in summaries if summary is not None]
    if len(known) < 2:  # a single row is not better than another
        return None
    top = max(known, key=lambda pair: pair[0])[1]
    gaps = [difference(top, other, name, metric) for _, other in known if other is not top]
    return top if all(gap is not None and gap.is_clear and gap.mean > 0 for gap in gaps) else None


def scratch_of(group: RunGroup, groups: Sequence[RunGroup]) -> RunGroup | None:
    """Return the training from scratch with the same data and fine-tuning; None for that itself.

    For each fold and seed, the run from scratch of the same study is preferred.
    """
    if group.arm == SCRATCH:
        return None
    matching = (g for g in groups if g.arm == SCRATCH and g.baseline_key == group.baseline_key)
    scratch = next(matching, None)
    return scratch and with_own(scratch, group)


def with_own(scratch: RunGroup, group: RunGroup) -> RunGroup:
    """Return the training from scratch, with the runs of a group's own studies in their places."""
    folders = {fold_seed: group.folders[fold_seed] for fold_seed in group.own_scratch}
    return replace(
        scratch,
        runs={**scratch.runs, **group.own_scratch},
        folders={**scratch.folders, **folders},
    )


@dataclass
class FoundRuns:
    """The runs of all studies under a folder.

    Attributes:
        groups: From scratch first, then in the order of their names.
        skipped: Why a file was not read.
        num_repeated: Runs ignored because of a newer one with the same settings, fold and seed.
    """

    groups: list[RunGroup] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    num_repeated: int = 0


def find_runs(root: Path) -> FoundRuns:
    """Read every ``results.json`` under a folder, except in folders that a study moved aside.

    Raises:
        UserError: There is none.
    """
    found_runs = FoundRuns()
    studies = []
    for path in _results_files(root, found_runs.skipped):
        try:
            studies.append((path, read_results(path)))
        except UserError as error:
            found_runs.skipped.append(one_line(error))
    if not studies:
        reasons = "".join(f" ({reason})" for reason in found_runs.skipped[:1])
        raise UserError(f"no {RESULTS} of a study under {root}{reasons}; run a study first")
    runs = [(path, results, run) for path, results in studies for run in results.runs]
    members_by_key: dict[GroupKey, dict[FoldSeed, list[_Member]]] = {}
    # Oldest first, so that the last one of a fold and seed is the newest.
    for path, results, run in sorted(runs, key=lambda found: _age(*found)):
        members = members_by_key.setdefault(group_key(run, results), {})
        members.setdefault((run.fold, run.seed), []).append((path.parent, results, run))
    found_runs.groups = _named([_newest(members) for members in members_by_key.values()])
    older = (runs for group in found_runs.groups for runs in group.older.values())
    found_runs.num_repeated = sum(map(len, older))
    return found_runs


def _newest(members: Mapping[FoldSeed, Sequence[_Member]]) -> RunGroup:
    """Make a group of the newest run of each fold and seed; the older ones stay beside them."""
    group = run_group({fold_seed: found[-1] for fold_seed, found in members.items()})
    older = {
        fold_seed: [(folder, run) for folder, _, run in found[:-1]]
        for fold_seed, found in members.items()
    }
    return replace(group, older=older)


def _results_files(root: Path, skipped: list[str]) -> list[Path]:
    """Return what is called ``results.json`` under a folder, sorted, through links to folders, too.

    Args:
        root: The folder.
        skipped: Gets a line for each folder that can't be read.
    """
    paths: list[Path] = []
    seen: set[str] = set()

    def report(error: OSError) -> None:
        skipped.append(f"can't read {error.filename}: {error.strerror}")

    for folder, subfolders, files in os.walk(root, onerror=report, followlinks=True):
        real = os.path.realpath(folder)
        # A link may lead to a folder above it, or to one that has its own place under the root.
        if real in seen or (Path(folder) != root and _MOVED_ASIDE.search(real)):
            subfolders.clear()
            continue
        seen.add(real)
        subfolders[:] = sorted(name for name in subfolders if not _MOVED_ASIDE.search(name))
        paths += [Path(folder, RESULTS)] if RESULTS in (*files, *subfolders) else []
    return sorted(paths)


def _age(path: Path, results: Results, run: RunRecord) -> tuple[str, float]:
    """Return what sorts runs by age: when they were made, then when they were written."""
    # Copies of files have other times; results of older versions store a day for all their runs.
    date = (run.made_by or {}).get("date") or results.study.date
    return str(date), path.stat().st_mtime


def run_group(members: Mapping[FoldSeed, _Member]) -> RunGroup:
    """Make a group of runs, sorted by fold and seed."""
    ordered = dict(sorted(members.items()))
    _, results, run = next(iter(ordered.values()))
    ratios = [run.n_test / max(1, _num_train(results)) for _, results, run in ordered.values()]
    return RunGroup(
        label=group_label([run for _, _, run in ordered.values()]),
        runs={fold_seed: run for fold_seed, (_, _, run) in ordered.items()},
        folders={fold_seed: folder for fold_seed, (folder, _, _) in ordered.items()},
        baseline_key=baseline_key(run, results),
        test_train_ratio=sum(ratios) / len(ratios),
        demo=results.study.demo,
        lists=lists(results),
        named_start=bool(results.arms),
        conditions=describe([(run, results) for _, results, run in ordered.values()]),
        own_scratch={
            fold_seed: scratch
            for fold_seed, (_, results, run) in ordered.items()
            for scratch in results.runs
            if scratch.arm == SCRATCH
            and (scratch.fold, scratch.seed) == fold_seed
            and baseline_key(scratch, results) == baseline_key(run, results)
        },
    )


def _num_train(results: Results) -> int:
    """Count the training images."""
    return sum(results.split.get("train", {}).values())


def _named(groups: Sequence[RunGroup]) -> list[RunGroup]:
    """Sort groups, and number those that would have the same label."""
    # As text, because unknown settings have no order; any order serves that is always the same.
    ordered = sorted(groups, key=lambda g: (g.demo, g.arm != SCRATCH, g.label, str(g.baseline_key)))
    labels = [group.label for group in ordered]
    named: list[RunGroup] = []
    for i, group in enumerate(ordered):
        number = f" ({labels[: i + 1].count(group.label)})"
        label = group.label + (number if labels.count(group.label) > 1 else "")
        named.append(replace(group, label=label))
    return named


def group_number(group: RunGroup) -> str:
    """Return what distinguishes a group from others of the same name, `` (2)``; empty: nothing."""
    number = _NUMBER.search(group.label)
    return "" if number is None else number.group()


def describe(runs: Sequence[tuple[RunRecord, Results]]) -> str:
    """Describe data and settings of the runs of a group; each run comes with its study."""
    run, results = runs[0]
    study = results.study
    data = study.data
    parts = [f"images in {data.images}, lists {data.lists[:8]}"] if data else []
    if run.config_sha256:
        parts.append(f"config {run.config_sha256[:8]}")
    parts += [f"start {arm.weights}" for arm in results.arms if arm.arm == run.arm and arm.weights]
    if study.lrs:
        parts.append("lr " + " or ".join(f"{lr:g}" for lr in study.lrs))
    if study.gpus:
        parts.append(f"GPUS {study.gpus}")
    if run.chosen_from and study.greedy:
        tasks = study.greedy.tasks.items()
        choices = ", ".join(
            f"{name} ({t.config}, {counted(t.epochs, 'epoch')})" for name, t in tasks
        )
        parts.append(f"greedy, min. gain {study.greedy.min_gain:g}, of {choices}")
        parts += [f"fold {r.fold}, seed {r.seed} chose {display_name(r.arm)}" for r, _ in runs]
    return "; ".join(parts)
