"""The comparison of each pre-trained classifier with training from scratch, and names."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from mmselfsup.metrics.classification import standard_error

from .record import RunRecord
from .settings import ALL, JOIN, SCRATCH

_NAMES = {
    SCRATCH: "from scratch",
    "simclr": "SimCLR",
    "moco": "MoCo",
    "mocov1": "MoCo v1",
    "mocov2": "MoCo v2",
    "mocov3": "MoCo v3",
    "byol": "BYOL",
    "swav": "SwAV",
    "simsiam": "SimSiam",
    "barlowtwins": "Barlow Twins",
    "densecl": "DenseCL",
    "deepcluster": "DeepCluster",
    "odc": "ODC",
    "npid": "NPID",
    "mae": "MAE",
    "simmim": "SimMIM",
    "maskfeat": "MaskFeat",
    "cae": "CAE",
    "interclr": "InterCLR",
    "relative_loc": "Relative location",
    "rotation_pred": "Rotation prediction",
}


@dataclass(frozen=True)
class Comparison:
    """The comparison of a pre-trained classifier with that from scratch.

    Attributes:
        outcome: ``better``, ``worse`` or ``unclear``.
        text: One sentence.
        difference: Balanced accuracy of the pre-trained classifier minus that from scratch.
        error: Standard error of the difference.
    """

    outcome: str
    text: str
    difference: float
    error: float


def compare_with_scratch(runs: Sequence[RunRecord]) -> list[Comparison]:
    """Compare each pre-trained classifier with that from scratch; empty without the latter."""
    scratch = next((run for run in runs if run.arm == SCRATCH), None)
    if scratch is None:
        return []
    comparisons = [compare(scratch, run) for run in runs if run.arm != SCRATCH]
    return [comparison for comparison in comparisons if comparison is not None]


def compare(scratch: RunRecord, other: RunRecord) -> Comparison | None:
    """Compare a pre-trained classifier with that from scratch; None if either has no metric.

    A difference below two standard errors is called unclear.
    """
    before, after = scratch.balanced_accuracy, other.balanced_accuracy
    if before is None or after is None:
        return None
    difference = after - before
    error = math.hypot(
        standard_error(scratch.confusion_matrix), standard_error(other.confusion_matrix)
    )
    numbers = (
        f"balanced accuracy {after:.3f} against {before:.3f} from scratch "
        f"({difference:+.3f}, standard error {error:.3f})"
    )
    name = display_name(other.arm)
    images = " on all images, test images included," if other.ssl_on == ALL else ""
    if abs(difference) < 2 * error:
        text = f"No clear difference: {name} pre-training{images} gives {numbers}."
    elif difference > 0:
        text = f"{name} pre-training{images} helps: {numbers}."
    else:
        text = f"{name} pre-training{images} does not help here: {numbers}."
    outcome = "unclear" if abs(difference) < 2 * error else "better" if difference > 0 else "worse"
    return Comparison(outcome, text, difference, error)


def display_name(arm: str) -> str:
    """Return the name of an arm as papers write it; arrows join the tasks of a curriculum."""
    return " → ".join(_NAMES.get(task, task) for task in arm.split(JOIN))


def run_label(run: RunRecord) -> str:
    """Return the name of a classifier in the table of its study; marks test images seen."""
    return display_name(run.arm) + (" (greedy)" if run.chosen_from else "") + _seen(run)


def group_label(run: RunRecord) -> str:
    """Return the name of a group of runs: of a greedy curriculum, the tasks it chose from."""
    if not run.chosen_from:
        return run_label(run)
    return f"Greedy curriculum of {', '.join(map(display_name, run.chosen_from))}{_seen(run)}"


def _seen(run: RunRecord) -> str:
    return " (pre-trained on all images, test images included)" if run.ssl_on == ALL else ""
