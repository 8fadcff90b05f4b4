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
from .recipe import Findings, Recipe, find_recipes
from .table import WIDTH

HEADERS = {BALANCED: "bal. acc.", "macro AUC": "AUC"}


@dataclass(frozen=True)
class Row:
    """A recipe in the table.

    Attributes:
        recipe: The recipe.
        cells: Its metrics by name.
        bold: Names of the metrics in which it is the best beyond chance.
        gain: Balanced accuracy minus that of the same training from scratch.
    """

    recipe: Recipe
    cells: dict[str, Summary | None]
    bold: frozenset[str]
    gain: Difference | None

    @property
    def counts(self) -> tuple[int, int, int]:
        """Number of folds, seeds and runs."""
        places = self.recipe.runs.keys()
        return len({fold for fold, _ in places}), len({seed for _, seed in places}), len(places)


@dataclass(frozen=True)
class Overview:
    """All runs under a folder as a table; names of its columns, and what was left out."""

    root: Path
    columns: list[str]
    rows: list[Row]
    findings: Findings

    @property
    def num_studies(self) -> int:
        """Number of studies found."""
        return len({folder for row in self.rows for folder in row.recipe.folders.values()})

    def notes(self) -> list[str]:
        """Say what the numbers are."""
        return overview_notes(self.findings)


def make_overview(root: Path) -> Overview:
    """Find all runs under a folder and compare them.

    Raises:
        UserError: There are none.
    """
    findings = find_recipes(root)
    recipes = findings.recipes
    classes = [c for recipe in recipes for run in recipe.runs.values() for c in run.recall]
    measures = metrics(list(dict.fromkeys(classes)))
    real = [recipe for recipe in recipes if not recipe.demo] or recipes
    fair = [recipe for recipe in real if not recipe.saw_test_images]
    groups = [[r for r in fair if r.lists == lists] for lists in {r.lists for r in fair}]
    winners = [(name, best(group, name, measures[name])) for group in groups for name in measures]
    rows = []
    for recipe in recipes:
        scratch = scratch_of(recipe, recipes)
        gain = None
        if scratch is not None:
            gain = difference(recipe, scratch, BALANCED, measures[BALANCED])
        bold = frozenset(name for name, winner in winners if winner is recipe)
        cells = {name: summarize(recipe, metric) for name, metric in measures.items()}
        rows.append(Row(recipe, cells, bold, gain))
    return Overview(root, list(measures), rows, findings)


def cell(summary: Summary | None, digits: int = 3) -> str:
    """Write mean and spread."""
    if summary is None:
        return "–"
    spread = "" if summary.spread is None else f" ± {summary.spread:.{digits}f}"
    return f"{summary.mean:.{digits}f}{spread}"


def gain_cell(gain: Difference | None) -> str:
    """Write a difference and its interval."""
    if gain is None:
        return ""
    return f"{gain.mean:+.3f}" + ("" if gain.half is None else f" ± {gain.half:.3f}")


def print_overview(overview: Overview, console: Console | None = None) -> None:
    """Print the table without the recalls, which are in the files, and the notes."""
    console = console or Console()
    if not console.is_terminal:
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
        table.add_row(row.recipe.label, count, *cells, gain_cell(row.gain))
    console.print(table)
    for line in overview.notes():
        console.print(line, style="dim", highlight=False)


def _strong(text: str, strong: bool) -> str:
    return f"[bold]{text}[/bold]" if strong else text
