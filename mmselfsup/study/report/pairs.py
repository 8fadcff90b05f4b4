"""All pairs of starts, tested at once: differences, intervals, Holm's correction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

from mmselfsup.metrics.multiple import holm

from ..records import Results
from .intervals import UNPAIRED
from .statistics import BALANCED, Difference, RunGroup, difference, metrics, run_group

PAIRS_NOTE = (
    "Balanced accuracy of the first minus that of the second, with its 95 % interval and p-value "
    "(several folds: corrected resampled t-test of Nadeau and Bengio, on the folds and seeds that "
    "both have; one fold: sampling error of the difference on the same test images, those of one "
    f"lesion or patient together, and variance over seeds; {UNPAIRED}). "
    "The last column is the p-value after Holm's correction for all pairs of the table: "
    "below 0.05 a difference is more than chance."
)


@dataclass(frozen=True)
class Pair:
    """The comparison of two groups of runs.

    Attributes:
        first, second: Their labels, as in the table of results.
        gap: First minus second.
        corrected: Its p-value after Holm's correction for all pairs; None: not known.
    """

    first: str
    second: str
    gap: Difference
    corrected: float | None

    @property
    def is_clear(self) -> bool:
        """Whether the difference is more than chance, with all pairs in mind."""
        return self.corrected is not None and self.corrected < 0.05


def all_pairs(groups: Sequence[RunGroup]) -> list[Pair]:
    """Compare each group with each later one, on the folds and seeds that both have."""
    metric = metrics([])[BALANCED]
    gaps = [
        (other.label, first.label, difference(other, first, BALANCED, metric))
        for first, other in combinations(groups, 2)
    ]
    known = [(a, b, gap) for a, b, gap in gaps if gap is not None]
    tested = [gap.p_value for _, _, gap in known if gap.p_value is not None]
    corrected = iter(holm(tested))
    return [
        Pair(a, b, gap, None if gap.p_value is None else next(corrected)) for a, b, gap in known
    ]


def pairs_of_study(results: Results) -> list[Pair]:
    """Compare the arms of one study; empty where it has no ``--start``."""
    if not results.arms:
        return []
    groups = [run_group({(run.fold, run.seed): (Path(), results, run)}) for run in results.runs]
    return all_pairs(groups)


def pairs_of_groups(groups: Sequence[RunGroup]) -> list[Pair]:
    """Compare the groups of a folder with each other, if a study of it has ``--start``.

    Only groups with the same data and fine-tuning, pre-trained without the test images.
    """
    fair = [group for group in groups if not group.saw_test_images]
    keys = dict.fromkeys(group.baseline_key for group in fair if group.named_start)
    sets = [[group for group in fair if group.baseline_key == key] for key in keys]
    return [pair for members in sets for pair in all_pairs(members)]


def p_text(value: float | None) -> str:
    """Format a p-value."""
    if value is None:
        return "–"
    return "< 0.001" if value < 0.001 else f"{value:.3f}"
