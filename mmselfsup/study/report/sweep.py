"""The table of all runs under a folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table

from .interval import (
    BALANCED,
    Difference,
    Summary,
    best,
    difference,
    metrics,
    scratch_of,
    summarize,
)
from .overview_notes import overview_notes
from .recipe import FoundRuns, RunGroup, find_runs
from .table import WIDTH

HEADERS = {BALANCED: "bal. acc.", "macro AUC": "AUC"}


@dataclass(frozen=True)
class Row:
    """A group of runs in the table.

    Attributes:
        group: The runs.
        cells: Its metrics by name.
        bold: Names of the metrics in which it is the best by more than chance.
        gain: Balanced accuracy minus that of the same training from scratch.
    """

    group: RunGroup
    cells: dict[str, Summary | None]
    bold: frozenset[str]
    gain: Difference | None

    @property
    def counts(self) -> tuple[int, int, int]:
        """Number of folds, seeds and runs."""
        fold_seeds = self.group.runs.keys()
        return (
            len({fold for fold, _ in fold_seeds}),
            len({seed for _, seed in fold_seeds}),
            len(fold_seeds),
        )


@dataclass(frozen=True)
class Overview:
    """All runs under a folder as a table; names of its columns, and what was ignored."""

    root: Path
    columns: list[str]
    rows: list[Row]
    found_runs: FoundRuns

    @property
    def num_studies(self) -> int:
        """Number of studies under the folder."""
        return len({folder for row in self.rows for folder in row.group.folders.values()})

    def notes(self) -> list[str]:
        """Return sentences that explain the numbers."""
        return overview_notes(self.found_runs)


def make_overview(root: Path) -> Overview:
    """Find all runs under a folder and compare them.

    Raises:
        UserError: There are none.
    """
    found_runs = find_runs(root)
    groups = found_runs.groups
    classes = [c for group in groups for run in group.runs.values() for c in run.recall]
    measures = metrics(list(dict.fromkeys(classes)))
    # Synthetic images are compared with each other only where nothing else exists.
    real = [group for group in groups if not group.demo] or groups
    # Rows that saw test images, or were tested on other images, are not compared for bold.
    fair = [group for group in real if not group.saw_test_images]
    comparable = [[g for g in fair if g.lists == lists] for lists in {g.lists for g in fair}]
    winners = [
        (name, best(fair_groups, name, measures[name]))
        for fair_groups in comparable
        for name in measures
    ]
    rows = []
    for group in groups:
        scratch = scratch_of(group, groups)
        gain = None
        if scratch is not None:
            gain = difference(group, scratch, BALANCED, measures[BALANCED])
        bold = frozenset(name for name, winner in winners if winner is group)
        cells = {name: summarize(group, metric) for name, metric in measures.items()}
        rows.append(Row(group, cells, bold, gain))
    return Overview(root, list(measures), rows, found_runs)


def cell(summary: Summary | None, digits: int = 3) -> str:
    """Format mean and standard deviation."""
    if summary is None:
        return "–"
    std = "" if summary.std is None else f" ± {summary.std:.{digits}f}"
    return f"{summary.mean:.{digits}f}{std}"


def gain_cell(gain: Difference | None) -> str:
    """Format a difference and its interval."""
    if gain is None:
        return ""
    return f"{gain.mean:+.3f}" + ("" if gain.half_width is None else f" ± {gain.half_width:.3f}")


def print_overview(overview: Overview, console: Console | None = None) -> None:
    """Print the table without the recalls, which are in the files, and the notes."""
    console = console or Console()
    if not console.is_terminal:
        # A pipe or a file: rich assumes 80 columns, too few for the table.
        console = Console(width=max(console.width, WIDTH), file=console.file)
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    table.add_column("classifier")  # the one column that may wrap: numbers must stay whole
    shown = overview.columns[:3]
    for header in ("folds x seeds", *(HEADERS.get(name, name) for name in shown), "gain"):
        table.add_column(header, justify="right", no_wrap=True)
    for row in overview.rows:
        folds, seeds, runs = row.counts
        count = f"{folds} x {seeds}" if folds * seeds == runs else f"{runs} runs"
        cells = (_strong(cell(row.cells[name]), name in row.bold) for name in shown)
        table.add_row(row.group.label, count, *cells, gain_cell(row.gain))
    console.print(table)
    for line in overview.notes():
        console.print(line, style="dim", highlight=False)


def _strong(text: str, strong: bool) -> str:
    return f"[bold]{text}[/bold]" if strong else text
