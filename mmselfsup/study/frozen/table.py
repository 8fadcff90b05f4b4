"""The table of frozen features: on the terminal, as Markdown, as CSV, as JSON."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from mmselfsup.utils.files import atomic_write_json, atomic_write_text

from ..table import WIDTH
from .entry import UNTRAINED
from .record import FrozenRecord


def beats_untrained(record: FrozenRecord, records: Sequence[FrozenRecord]) -> bool:
    """Return whether a row beats the untrained network of every seed in both numbers."""
    floor = [other for other in records if other.name == UNTRAINED]
    return all(record.knn > other.knn and record.probe > other.probe for other in floor)


def columns(num_knn: int) -> list[str]:
    """Return the headers of the table."""
    head = ["pre-training", "seed", "epochs", "views", f"kNN, k={num_knn}", "linear probe"]
    return [*head, "above untrained", "minutes", "images/s"]


def cells(record: FrozenRecord, records: Sequence[FrozenRecord]) -> list[str]:
    """Return a row of the table; balanced accuracies, 0..1."""
    trained = record.name != UNTRAINED
    above = "yes" if beats_untrained(record, records) else "no"
    speed = "" if record.images_per_s is None else f"{record.images_per_s:.0f}"
    return [
        record.name,
        str(record.seed),
        str(record.epochs),
        f"{record.views:,}",
        f"{record.knn:.3f}",
        f"{record.probe:.3f}",
        above if trained else "",
        f"{record.seconds / 60:.1f}" if trained else "",
        speed,
    ]


def print_records(records: Sequence[FrozenRecord], num_knn: int) -> None:
    """Print the table."""
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    for number, header in enumerate(columns(num_knn)):
        table.add_column(header, justify="right" if number else "left", no_wrap=True)
    for record in records:
        table.add_row(*cells(record, records))
    console = Console()
    if not console.is_terminal:
        console = Console(width=WIDTH)
    console.print(table)
    console.print(
        "Balanced accuracy on the test list, frozen features. Above untrained: in both numbers, of "
        "every seed. Minutes and images/s: with other trainings at the same time.",
        highlight=False,
    )


def write_records(
    records: Sequence[FrozenRecord], facts: Mapping[str, Any], out: Path
) -> list[Path]:
    """Write ``frozen.json``, ``frozen.csv`` and ``frozen.md``; return their paths."""
    num_knn = int(facts["neighbours"])
    rows = [columns(num_knn), *(cells(record, records) for record in records)]
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    lines.insert(1, "|---" * len(rows[0]) + "|")
    text = io.StringIO()
    writer = csv.DictWriter(
        text, [field.name for field in fields(FrozenRecord)], lineterminator="\n"
    )
    writer.writeheader()
    writer.writerows(asdict(record) for record in records)
    paths = [out / f"frozen.{end}" for end in ("json", "csv", "md")]
    atomic_write_json(paths[0], {**facts, "rows": [asdict(record) for record in records]})
    atomic_write_text(paths[1], text.getvalue())
    atomic_write_text(paths[2], "\n".join(lines) + "\n")
    return paths
