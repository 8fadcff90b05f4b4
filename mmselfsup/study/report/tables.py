"""The table printed at the end of a study."""

from __future__ import annotations

from collections.abc import Sequence

from rich import box
from rich.console import Console
from rich.table import Table

from .record import RunRecord, SearchRecord, class_names
from .results import Results
from .search import at_the_edge
from .settings import ALL
from .verdict import compare_with_scratch, run_label

MANY = (
    "Several comparisons with the same classifier from scratch: about one in twenty pairs that "
    "are truly equal differs by two standard errors by chance."
)
SAW_TEST = (
    "The pre-training has seen the test images, without their labels (--ssl-on all): compared "
    "with networks that have not seen theirs, these numbers may be too high."
)
WIDTH = 100  # columns where the output is no terminal


def results_table(runs: Sequence[RunRecord]) -> Table:
    """Build the table: a row for each classifier, its metrics and the recall of each class."""
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    long = any(run.ssl_on == ALL for run in runs)
    table.add_column("classifier", no_wrap=not long, min_width=12 if long else None)
    for header in ("lr", "bal. acc.", "accuracy", "AUC"):
        table.add_column(header, justify="right", no_wrap=True)
    for name in class_names(runs):
        table.add_column(name, justify="right", no_wrap=True)
    for run in runs:
        table.add_row(
            run_label(run),
            f"{run.lr:g}",
            *(number(v, 3) for v in (run.balanced_accuracy, run.accuracy, run.macro_auc)),
            *(number(v, 2) for v in run.recall.values()),
        )
    return table


def number(value: float | None, digits: int) -> str:
    """Format a fraction; a dash for None."""
    return "–" if value is None else f"{value:.{digits}f}"


def notes(results: Results) -> list[str]:
    """Return sentences on how the numbers were made, and warnings."""
    study, runs = results.study, results.runs
    lr = "each learning rate chosen on validation lesions"
    lines = [
        f"Fold {study['fold']}, seed {study['seed']}, {runs[0].n_test} test images; equal "
        f"{runs[0].epochs} epochs of fine-tuning, the last one counts; "
        f"{lr if results.lr_search else 'the learning rate was given, not chosen'}. "
        "Columns of classes: recall."
    ]
    if any(run.ssl_on == ALL for run in runs):
        lines.append(SAW_TEST)
    if len(runs) > 2:
        lines.append(MANY)
    lines += filter(None, (at_the_edge(tried) for tried in by_arm(results.lr_search).values()))
    return lines


def by_arm(tried: Sequence[SearchRecord]) -> dict[str, list[SearchRecord]]:
    """Group the learning rates tried by arm, each group sorted."""
    arms: dict[str, list[SearchRecord]] = {}
    for run in sorted(tried, key=lambda run: run.lr):
        arms.setdefault(run.arm, []).append(run)
    return arms


def print_results(results: Results, console: Console | None = None) -> None:
    """Print the table, the comparisons and the notes."""
    console = console or Console()
    if not console.is_terminal:
        console = Console(width=WIDTH, file=console.file)
    console.print(results_table(results.runs))
    for comparison in compare_with_scratch(results.runs):
        console.print(comparison.text, style="bold", highlight=False)
    for line in notes(results):
        console.print(line, style="dim", highlight=False)
