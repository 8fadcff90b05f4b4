"""Section of the report with the numbers on the test fold, and their figures.

Two classifiers are the columns of a table with the difference between them; more than two are its
rows. Below: the recall of each class, the confusion matrices and the reliability diagram.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..records import Results, RunRecord
from .figures import confusion, recall_bars, reliability
from .html import Section, arm_colors, css_colors
from .tables import display_name, number, run_label, seen_note


def result_section(study_dir: Path, results: Results) -> Section:
    """Return the section of the results; the reliability needs the scores of the tests."""
    runs = results.runs
    colors = arm_colors([run.arm for run in runs])
    context = {
        "runs": runs,
        "rows": metric_rows(runs),
        "saw_test": seen_note(runs),
        "colors": css_colors(colors),
        "display_name": display_name,
        "run_label": run_label,
        "recall_bars": recall_bars(runs, colors, "recall"),
        "confusions": [
            (display_name(run.arm), confusion(run, colors[run.arm], f"confusion-{i}"))
            for i, run in enumerate(runs)
        ],
        "reliability": reliability(runs, colors, study_dir),
    }
    return Section("result.html.j2", context)


def metric_rows(runs: Sequence[RunRecord]) -> list[dict[str, Any]]:
    """Return the rows of the comparison: name, number of images, value of each run, difference."""
    totals = [sum(row) for row in runs[0].confusion_matrix]
    values: list[tuple[str, int | None, list[float | None]]] = [
        ("Balanced accuracy", None, [run.balanced_accuracy for run in runs]),
        ("Accuracy", None, [run.accuracy for run in runs]),
        ("Macro AUC", None, [run.macro_auc for run in runs]),
    ]
    values += [
        (name, total, [run.recall[name] for run in runs])
        for name, total in zip(runs[0].recall, totals, strict=True)
    ]
    return [
        {
            "name": name,
            "total": total,
            "cells": [number(v, 3) for v in cells],
            "difference": _difference(cells),
        }
        for name, total, cells in values
    ]


def _difference(cells: Sequence[float | None]) -> str:
    """Format the second value minus the first, with its sign."""
    if len(cells) != 2 or cells[0] is None or cells[1] is None:
        return ""
    return f"{cells[1] - cells[0]:+.3f}".replace("-", "\N{MINUS SIGN}")
