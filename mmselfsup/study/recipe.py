"""Runs of many studies in groups, within which only the fold and the seed differ."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mmselfsup.utils.errors import UserError

from .conditions import baseline_key, describe, group_key, lists
from .record import RunRecord
from .results import Results, read_results
from .settings import ALL, SCRATCH
from .verdict import group_label

RESULTS = "results.json"
FoldSeed = tuple[int, int]  # fold, seed


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
    """

    label: str
    runs: Mapping[FoldSeed, RunRecord]
    folders: Mapping[FoldSeed, Path]
    baseline_key: str
    test_train_ratio: float
    demo: bool
    lists: str
    conditions: str
    own_scratch: Mapping[FoldSeed, RunRecord]

    @property
    def arm(self) -> str:
        """Start of the classifier."""
        return next(iter(self.runs.values())).arm

    @property
    def saw_test_images(self) -> bool:
        """Whether the pre-training saw the images that the classifier was tested on."""
        return any(run.ssl_on == ALL for run in self.runs.values())


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
    # Oldest first, so that a newer run replaces an older one of the same fold and seed.
    for path in sorted(root.rglob(RESULTS), key=lambda path: path.stat().st_mtime):
        if any(re.search(r"\.old-\d+$", part) for part in path.relative_to(root).parts):
            continue
        try:
            studies.append((path.parent, read_results(path)))
        except UserError as error:
            found_runs.skipped.append(str(error))
    if not studies:
        raise UserError(f"no {RESULTS} of a study under {root}; run a study first")
    members_by_key: dict[str, dict[FoldSeed, tuple[Path, Results, RunRecord]]] = {}
    for folder, results in studies:
        for run in results.runs:
            members = members_by_key.setdefault(group_key(run, results), {})
            found_runs.num_repeated += (run.fold, run.seed) in members
            members[run.fold, run.seed] = folder, results, run
    found_runs.groups = _named([_run_group(members) for members in members_by_key.values()])
    return found_runs


def _run_group(members: Mapping[FoldSeed, tuple[Path, Results, RunRecord]]) -> RunGroup:
    """Make a group of runs, sorted by fold and seed."""
    ordered = dict(sorted(members.items()))
    _, results, run = next(iter(ordered.values()))
    ratios = [run.n_test / max(1, _num_train(results)) for _, results, run in ordered.values()]
    return RunGroup(
        label=group_label(run),
        runs={fold_seed: run for fold_seed, (_, _, run) in ordered.items()},
        folders={fold_seed: folder for fold_seed, (folder, _, _) in ordered.items()},
        baseline_key=baseline_key(run, results),
        test_train_ratio=sum(ratios) / len(ratios),
        demo=bool(results.study.get("demo")),
        lists=lists(results),
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
    ordered = sorted(groups, key=lambda g: (g.demo, g.arm != SCRATCH, g.label, g.baseline_key))
    labels = [group.label for group in ordered]
    named: list[RunGroup] = []
    for i, group in enumerate(ordered):
        number = f" ({labels[: i + 1].count(group.label)})"
        label = group.label + (number if labels.count(group.label) > 1 else "")
        fields: dict[str, Any] = {**vars(group), "label": label}
        named.append(RunGroup(**fields))
    return named
