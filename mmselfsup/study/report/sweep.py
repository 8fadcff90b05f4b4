"""The table of all runs under a folder: on the terminal, as CSV, as LaTeX and as an HTML page.

A row is a group of runs (``statistics``), over folds and seeds; the notes below the table say how
its numbers were made. A number is bold where it is better than every other row by more than chance,
among rows tested on the same images and pre-trained without them.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from textwrap import fill
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from rich.console import Console
from rich.table import Column

from mmselfsup.utils.console import console_table, table_console
from mmselfsup.utils.files import atomic_write_text, csv_text
from mmselfsup.utils.plurals import counted
from mmselfsup.version import __version__

from ..records import mixed_code
from ..settings import ALL, SCRATCH
from .degenerate import any_degenerate
from .external_overview import external_overview, write_all_external
from .html import SCRATCH_COLOR, SSL_COLORS, Section, panel, render, render_section, to_svg
from .intervals import UNPAIRED
from .kinds import kinds
from .labels_section import labels_context
from .pairs import PAIRS_NOTE, p_text, pairs_of_groups
from .statistics import (
    BALANCED,
    RESULTS,
    Difference,
    FoundRuns,
    RunGroup,
    Summary,
    best,
    difference,
    find_runs,
    group_number,
    metrics,
    scratch_of,
    summarize,
)
from .tables import SAW_TEST, display_name, labels_note, seen_how, unknown_note

if TYPE_CHECKING:
    from markupsafe import Markup  # only for pages; the terminal needs none

HEADERS = {BALANCED: "bal. acc.", "macro AUC": "AUC"}
TABLES = "table.csv", "table.tex"
_TICK = 30  # characters in a line beside an axis
_LATEX = {letter: "\\" + letter for letter in "&%_#{}$"} | {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",  # these three are other letters in LaTeX's default encoding
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "→": r"$\rightarrow$",
}
NUMBERS = (
    "Mean ± standard deviation over the runs (folds and seeds); columns of classes: recall."
    " Gain: balanced accuracy minus that from scratch on the same data, folds and seeds, "
    "with its 95 % interval (several folds: corrected resampled t interval; one fold: "
    "sampling error of its test images, those of one lesion or patient together, and variance over "
    f"seeds; {UNPAIRED}). Bold: better than every "
    "other row on the same lists, interval included, not corrected for the number of rows."
)


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
        """Return the numbers of folds, seeds and runs."""
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
        """Return the number of studies under the folder."""
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
        merit = list(measures)[:3] if any_degenerate(list(group.runs.values())) else measures
        bold = frozenset(name for name, winner in winners if winner is group and name in merit)
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
    console = table_console(console)
    shown = overview.columns[:3]
    headers = [HEADERS.get(name, name) for name in shown]
    # The first column is the one that may wrap: numbers must stay whole.
    table = console_table([Column("classifier"), "folds x seeds", *headers, "gain"])
    for row in overview.rows:
        folds, seeds, runs = row.counts
        count = f"{folds} x {seeds}" if folds * seeds == runs else counted(runs, "run")
        cells = (_strong(cell(row.cells[name]), name in row.bold) for name in shown)
        table.add_row(row.group.label, count, *cells, gain_cell(row.gain))
    console.print(table)
    for line in overview.notes():
        console.print(line, style="dim", highlight=False)


def _strong(text: str, strong: bool) -> str:
    return f"[bold]{text}[/bold]" if strong else text


def write_tables(overview: Overview) -> list[Path]:
    """Write ``table.csv`` and ``table.tex``; ``external.csv`` of several studies with sets."""
    paths = [overview.root / name for name in TABLES]
    for path, text in zip(paths, (to_csv(overview), to_latex(overview)), strict=True):
        atomic_write_text(path, text)
    if (overview.root / RESULTS).exists():  # the study has written its own
        return paths
    studies = [results for kind in kinds(overview.found_runs) for _, results in kind]
    return [*paths, *write_all_external(overview.root, studies)]


def to_csv(overview: Overview) -> str:
    """Return the table as CSV with full precision: a row for each group of runs."""
    head = ["classifier", "pre-training", "pre-trained on", "fine-tuning", "epochs"]
    head += ["folds", "seeds", "runs"]
    parts = [f"{name} {part}" for name in overview.columns for part in ("mean", "sd")]
    table: list[list[object]] = [
        [*head, *parts, "gain", "gain half interval", "conditions"],
    ]
    for row in overview.rows:
        run = next(iter(row.group.runs.values()))
        ssl = " then ".join(f"{s.config} ({counted(s.epochs, 'epoch')})" for s in run.ssl)
        if run.chosen_from:
            ssl = "greedy, see conditions"
        numbers: list[float | str | None] = []
        for summary in row.cells.values():
            numbers += ["", ""] if summary is None else [summary.mean, summary.std]
        gain = ["", ""] if row.gain is None else [row.gain.mean, row.gain.half_width]
        facts = [row.group.label, ssl, run.ssl_on or "", run.config, run.epochs, *row.counts]
        table.append([*facts, *numbers, *gain, row.group.conditions])
    return csv_text(table)


def to_latex(overview: Overview) -> str:
    """Return the table for the LaTeX package booktabs, its notes as comments."""
    heads = [HEADERS.get(name, name) for name in overview.columns]
    lines = [f"% {line}" for line in overview.notes()]
    lines += [rf"\begin{{tabular}}{{l{'r' * (len(heads) + 1)}}}", r"\toprule"]
    lines += [" & ".join(map(_escape, ["classifier", *heads, "gain"])) + r" \\", r"\midrule"]
    for row in overview.rows:
        cells = [
            _latex_number(cell(summary, 3 if i < 3 else 2), name in row.bold)
            for i, (name, summary) in enumerate(row.cells.items())
        ]
        gain = _latex_number(gain_cell(row.gain), False)
        lines.append(" & ".join([_escape(row.group.label), *cells, gain]) + r" \\")
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", ""])


def write_page(overview: Overview) -> Path:
    """Write the page: ``report.html``, or ``overview.html`` where a study has its own report."""
    # A study in the folder itself already has its report.html.
    own = (overview.root / RESULTS).exists()
    path = overview.root / ("overview.html" if own else "report.html")
    atomic_write_text(path, render("sweep.html.j2", _context(overview)))
    return path


def _context(overview: Overview) -> dict[str, Any]:
    """Return what the template shows."""
    runs = [
        {
            "label": row.group.label + (f": {display_name(run.arm)}" if run.chosen_from else ""),
            "run": run,
            "report": _link(row.group.folders[fold_seed] / "report.html", overview.root),
        }
        for row in overview.rows
        for fold_seed, run in row.group.runs.items()
    ]
    return {
        "heads": [HEADERS.get(name, name) for name in overview.columns],
        "rows": overview.rows,
        "cell": cell,
        "gain_cell": gain_cell,
        "notes": overview.notes(),
        "points": _points(overview),
        "pairs": pairs_of_groups(overview.found_runs.groups),
        "pairs_note": PAIRS_NOTE,
        "sections": _sections(overview),
        "p_text": p_text,
        "runs": runs,
        "version": __version__,
    }


def _sections(overview: Overview) -> list[Markup]:
    """Return the sections of few labels and of external sets, of each kind of study."""
    found = []
    for number, studies in enumerate(kinds(overview.found_runs)):
        made = {
            "labels.html.j2": labels_context(studies, f"labels-{number}"),
            "external_overview.html.j2": external_overview([results for _, results in studies]),
        }
        found += [Section(name, context) for name, context in made.items() if context]
    return [render_section(section) for section in found]


def _link(path: Path, folder: Path) -> str:
    """Return the address of a file for a page in a folder."""
    # As bytes: a name need not be text.
    return quote(os.fsencode(os.path.relpath(path, folder)))


def _points(overview: Overview) -> str:
    """Draw the balanced accuracy of every run, a line for each group, its mean as a bar."""
    metric = metrics([])[BALANCED]
    with panel(height=0.9 + 0.42 * len(overview.rows), width=7.5) as (figure, axes):
        for i, row in enumerate(overview.rows):
            color = SCRATCH_COLOR if row.group.arm == SCRATCH else SSL_COLORS[0]
            values = [v for v in map(metric, row.group.runs.values()) if v is not None]
            axes.plot(values, [i] * len(values), "o", color=color, alpha=0.6, markersize=6)
            summary = row.cells[BALANCED]
            if summary is not None:
                axes.plot([summary.mean] * 2, [i - 0.28, i + 0.28], "-", color=color, linewidth=2.5)
        labels = [fill(row.group.label, _TICK) for row in overview.rows]
        axes.set_yticks(range(len(labels)), labels)
        axes.set_ylim(len(overview.rows) - 0.4, -0.6)
        axes.grid(axis="y", visible=False)
        axes.set_xlabel("balanced accuracy on the test fold")
        return to_svg(figure, "points", "Balanced accuracy of every run by classifier")


def _escape(text: str) -> str:
    return "".join(_LATEX.get(letter, letter) for letter in text)


def _latex_number(text: str, bold: bool) -> str:
    """Return a number of the table in math mode, a dash without it."""
    if text in ("", "–"):
        return text.replace("–", "--")
    math = text.replace(" ± ", r" \pm ")
    return rf"$\mathbf{{{math}}}$" if bold else f"${math}$"


def overview_notes(found_runs: FoundRuns) -> list[str]:
    """Return sentences that explain the numbers."""
    lines, groups = [NUMBERS], found_runs.groups
    runs = [run for group in groups for run in group.runs.values()]
    if any(run.ssl_on == ALL for run in runs):
        lines.append(
            "Pre-trained on all images, test images included: the network has seen the images that "
            f"it was tested on{seen_how(runs)}. Such rows are never bold."
        )
    if any(run.start_saw_test for run in runs):
        lines.append(
            f"{SAW_TEST.strip(' ()').capitalize()}: the weights of a file that the network starts "
            "from have seen images that it was tested on. Such rows are never bold."
        )
    lines += [note for note in (unknown_note(runs), labels_note(runs)) if note]
    if any(group_number(group) for group in groups):
        lines.append(
            "Numbers in brackets distinguish rows of the same name; table.csv has their conditions."
        )
    if number := found_runs.num_repeated:
        lines.append(
            f"{counted(number, 'run exists', 'runs exist')} more than once (same settings, fold "
            "and seed): the newest counts, on few labels and external sets the newest that was "
            "measured there."
        )
    if note := mixed_code(runs):
        lines.append(note)
    if any(group.demo for group in groups):
        lines.append("Runs on the demo's synthetic images say nothing about skin.")
    return [*lines, *(f"Left out: {reason}" for reason in found_runs.skipped)]
