"""What the studies under a folder hold of few labels and external sets, each result once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from ..external_records import OWN, ExternalSet
from ..records import Results, RunRecord, read_results
from ..settings import SCRATCH
from .statistics import RESULTS, BaselineKey, FoundRuns, group_number

#: The different external sets of a name, by the name.
_Versions = dict[str, list[ExternalSet]]
Found = tuple[Path, Results]  # folder of a study, what it holds of an arm


def kinds(found_runs: FoundRuns) -> list[list[Found]]:
    """Return what the studies hold of few labels and external sets, by data and fine-tuning.

    Each run stands alone, with the folder of its study. Of a run that several studies repeat, the
    newest study counts that has the part of the labels, or the external set; it is the last one.
    From scratch the older ones keep their few labels, too: gains of their studies need them. Arms
    of one name that were trained in other ways have the numbers of the table, ``simclr (2)``, and
    so have external sets of one name with other images or classes, ``clinic (2)``.
    """
    read: dict[Path, Results] = {}
    versions: dict[BaselineKey, _Versions] = {}
    found: dict[BaselineKey, list[Found]] = {}
    for group in found_runs.groups:
        number = group_number(group)
        for fold_seed, newest in group.runs.items():
            repeats = []
            runs = [*group.older.get(fold_seed, ()), (group.folders[fold_seed], newest)]
            for folder, run in runs:
                if folder not in read:
                    read[folder] = read_results(folder / RESULTS)
                # A kind has one training from scratch.
                name = run.arm if run.arm == SCRATCH else run.arm + number
                known = versions.setdefault(group.baseline_key, {})
                repeats.append((folder, _of_arm(_numbered(read[folder], known), run, name)))
            found.setdefault(group.baseline_key, []).extend(_counting(repeats))
    return list(found.values())


def _numbered(results: Results, versions: _Versions) -> Results:
    """Return results whose external sets have a number behind their names from the second on.

    Args:
        results: The results of a study.
        versions: The different sets of one name, in the order in which they came; new ones are
            added.
    """
    names = {OWN: OWN}  # the test fold, which is another one in each fold
    for external in results.external_sets:
        if external.name == OWN:
            continue
        known = versions.setdefault(external.name, [])
        number = next((n for n, one in enumerate(known, 1) if _same(one, external)), None)
        if number is None:
            known.append(external)
            number = len(known)
        names[external.name] = external.name if number == 1 else f"{external.name} ({number})"
    return replace(
        results,
        external_sets=[replace(one, name=names[one.name]) for one in results.external_sets],
        external=[
            replace(one, external=names.get(one.external, one.external)) for one in results.external
        ],
    )


def _same(one: ExternalSet, other: ExternalSet) -> bool:
    """Return whether two sets hold the same images and classes, as far as their results tell."""
    digests = {one.digest, other.digest} - {""}  # older results have none
    return len(digests) < 2 and (one.counts, one.classes) == (other.counts, other.classes)


def _of_arm(results: Results, run: RunRecord, name: str) -> Results:
    """Return what a study holds of one arm, under another name."""

    def renamed(errors: Mapping[str, float]) -> dict[str, float]:
        return {name if arm == run.arm else arm: error for arm, error in errors.items()}

    labels = [
        replace(record, arm=name, errors=renamed(record.errors))
        for record in results.labels
        if record.arm == run.arm
    ]
    external = [replace(record, arm=name) for record in results.external if record.arm == run.arm]
    runs = [replace(run, arm=name, errors=renamed(run.errors))]
    return replace(results, runs=runs, labels=labels, external=external)


def _counting(repeats: Sequence[Found]) -> list[Found]:
    """Return of repeats of one run, oldest first, what no newer one has; the newest is the last."""
    counting: list[Found] = []
    percents: set[float] = set()
    sets: set[str] = set()
    for folder, results in reversed(repeats):
        labels = results.labels
        if results.runs[0].arm != SCRATCH:
            labels = [record for record in labels if record.percent not in percents]
        external = [record for record in results.external if record.external not in sets]
        percents |= {record.percent for record in labels}
        sets |= {record.external for record in external}
        if labels or external or not counting:
            counting.insert(0, (folder, replace(results, labels=labels, external=external)))
    return counting
