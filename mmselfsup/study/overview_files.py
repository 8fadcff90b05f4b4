"""The table of all runs as files: CSV, LaTeX, and an HTML page."""

from __future__ import annotations

import csv
import io
import os
from pathlib import Path
from textwrap import fill
from typing import Any

from mmselfsup.utils.files import atomic_write_text
from mmselfsup.version import __version__

from .interval import BALANCED, metrics
from .overview import HEADERS, Overview, cell, gain_cell
from .recipe import RESULTS
from .settings import SCRATCH
from .svg import SCRATCH_COLOR, SSL_COLORS, panel, to_svg
from .templates import render
from .verdict import display_name

TABLES = "table.csv", "table.tex"
_TICK = 30  # characters in a line beside an axis
_LATEX = {"&": r"\&", "%": r"\%", "_": r"\_", "#": r"\#", "→": r"$\rightarrow$"}


def write_tables(overview: Overview) -> list[Path]:
    """Write ``table.csv`` and ``table.tex``."""
    paths = [overview.root / name for name in TABLES]
    for path, text in zip(paths, (to_csv(overview), to_latex(overview)), strict=True):
        atomic_write_text(path, text)
    return paths


def to_csv(overview: Overview) -> str:
    """Return the table as CSV with full precision: a row for each group of runs."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    head = ["classifier", "pre-training", "pre-trained on", "fine-tuning", "epochs"]
    head += ["folds", "seeds", "runs"]
    parts = [f"{name} {part}" for name in overview.columns for part in ("mean", "sd")]
    writer.writerow([*head, *parts, "gain", "gain half interval", "conditions"])
    for row in overview.rows:
        run = next(iter(row.group.runs.values()))
        ssl = " then ".join(f"{s.config} ({s.epochs} epochs)" for s in run.ssl)
        if run.chosen_from:
            ssl = "greedy, see conditions"
        numbers: list[float | str | None] = []
        for summary in row.cells.values():
            numbers += ["", ""] if summary is None else [summary.mean, summary.std]
        gain = ["", ""] if row.gain is None else [row.gain.mean, row.gain.half_width]
        facts = [row.group.label, ssl, run.ssl_on or "", run.config, run.epochs, *row.counts]
        writer.writerow([*facts, *numbers, *gain, row.group.conditions])
    return buffer.getvalue()


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
    atomic_write_text(path, render("overview.html.j2", _context(overview)))
    return path


def _context(overview: Overview) -> dict[str, Any]:
    """Return what the template shows."""
    runs = [
        {
            "label": row.group.label + (f": {display_name(run.arm)}" if run.chosen_from else ""),
            "run": run,
            "report": os.path.relpath(row.group.folders[fold_seed] / "report.html", overview.root),
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
        "runs": runs,
        "version": __version__,
    }


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
