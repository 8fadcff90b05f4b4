"""External sets over several folds and seeds: the mean of each classifier on each set."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from mmselfsup.utils.files import atomic_write_text, csv_text

from ..external_records import ExternalRecord
from ..records import Results
from .external_tables import EXTERNAL_CSV, external_rows, set_name
from .html import arm_colors, css_colors
from .tables import arm_titles

OVERVIEW_NOTE = (
    "Mean ± standard deviation over the runs (folds and seeds), each by its own final classifier "
    "on the same images of a set; so the deviation says how much trainings differ, and nothing of "
    "how well the images stand for their clinic: the report of each study has those intervals. "
    "Drop: own test fold minus set, on the classes of the set. ECE: calibration error, before and "
    "after temperature scaling. Sets of one name that hold other images or classes are rows of "
    "their own, with a number."
)
_NUMBERS: dict[str, Callable[[ExternalRecord], float | None]] = {
    "balanced accuracy": lambda record: record.balanced_accuracy.value,
    "drop": lambda record: None if record.drop is None else record.drop.value,
    "macro AUC": lambda record: record.macro_auc.value,
    "ECE": lambda record: record.ece,
    "scaled": lambda record: record.scaled_ece,
}


@dataclass(frozen=True)
class OverviewRow:
    """A classifier on a set, over the runs: mean and deviation of each number as text."""

    arm: str
    runs: int
    cells: tuple[str, ...]


def external_overview(studies: Sequence[Results]) -> dict[str, Any] | None:
    """Return what the template of external sets over several studies shows; None without sets.

    Args:
        studies: Studies of the same data and fine-tuning; of each arm one for each fold and seed.
    """
    records = [record for results in studies for record in results.external]
    if not records:
        return None
    arms = list(dict.fromkeys(record.arm for record in records))
    runs = [run for results in studies for run in results.runs]
    sets = dict.fromkeys(record.external for record in records)
    rows = {
        set_name(name): [
            _row(arm, [r for r in records if (r.external, r.arm) == (name, arm)]) for arm in arms
        ]
        for name in sets
    }
    return {
        "rows": {name: [row for row in found if row.runs] for name, found in rows.items()},
        "heads": list(_NUMBERS),
        "colors": css_colors(arm_colors(runs)),
        "display_name": arm_titles(runs),
        "note": OVERVIEW_NOTE,
    }


def _row(arm: str, records: Sequence[ExternalRecord]) -> OverviewRow:
    values = [[of(record) for record in records] for of in _NUMBERS.values()]
    return OverviewRow(
        arm, len(records), tuple(_text([v for v in vs if v is not None]) for vs in values)
    )


def _text(values: Sequence[float]) -> str:
    """Return mean and standard deviation, a dash without values."""
    if not values:
        return "–"
    deviation = f" ± {stdev(values):.3f}" if len(values) > 1 else ""
    return f"{mean(values):.3f}{deviation}".replace("-", "\N{MINUS SIGN}")


def write_all_external(root: Path, studies: Sequence[Results]) -> list[Path]:
    """Write ``external.csv`` with the rows of all studies; without sets remove it."""
    tables = [external_rows(results) for results in studies if results.external]
    if not tables:
        (root / EXTERNAL_CSV).unlink(missing_ok=True)
        return []
    rows = [tables[0][0], *(row for table in tables for row in table[1:])]
    atomic_write_text(root / EXTERNAL_CSV, csv_text(rows))
    return [root / EXTERNAL_CSV]
