"""The report of a study: one HTML file with everything in it, readable anywhere, printable."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mmselfsup.utils.files import atomic_write_text

from ..records import Results, RunRecord, read_results
from ..settings import ALL, JOIN, SCRATCH
from .curriculum_section import explanation, reason, table_rows
from .features_section import look_sections
from .figures import confusion, learning_curves, recall_bars, reliability
from .html import arm_colors, css_color, data_uri, render
from .occlusion_section import explain_sections
from .tables import (
    MANY,
    SAW_TEST,
    at_the_edge,
    by_arm,
    compare_with_scratch,
    display_name,
    number,
    run_label,
)


def write_report(work_dir: Path) -> Path:
    """Build ``report.html`` from ``results.json`` and the logs of a study.

    Args:
        work_dir: Work directory of the study.

    Returns:
        The path of the report.

    Raises:
        UserError: There is no results.json, or the report can't be written.
    """
    results = read_results(work_dir / "results.json")
    path = work_dir / "report.html"
    atomic_write_text(path, render("page.html.j2", _context(results, work_dir)))
    return path


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


def _context(results: Results, work_dir: Path) -> dict[str, Any]:
    """Return what the template shows."""
    search = by_arm(results.lr_search)
    colors = arm_colors([run.arm for run in results.runs])
    labels = {run.arm: run_label(run) for run in results.runs}
    return {
        "study": results.study,
        "runs": results.runs,
        "ssl": results.ssl,
        "split": results.split,
        "environment": results.environment,
        "commands": results.commands,
        "algorithm": _title(results),
        "colors": {arm: css_color(color) for arm, color in colors.items()},
        "display_name": display_name,
        "run_label": run_label,
        "arm_label": lambda arm: labels.get(arm) or display_name(arm),
        "saw_test": SAW_TEST if any(run.ssl_on == ALL for run in results.runs) else "",
        "number": number,
        "minutes": lambda seconds: f"{seconds / 60:.1f} min",
        "comparisons": compare_with_scratch(results.runs),
        "many": MANY,
        "rows": metric_rows(results.runs),
        "search": search,
        "edges": [line for line in map(at_the_edge, search.values()) if line],
        "recall_bars": recall_bars(results.runs, colors, "recall"),
        "confusions": [
            (display_name(run.arm), confusion(run, colors[run.arm], f"confusion-{i}"))
            for i, run in enumerate(results.runs)
        ],
        "reliability": reliability(results.runs, colors, work_dir),
        "curves": learning_curves(results, colors, work_dir),
        "curriculum": results.curriculum,
        "decisions": results.curriculum and table_rows(results.curriculum),
        "reason": reason,
        "explanation": explanation,
        "explanations": explain_sections(work_dir, results.runs),
        "looks": look_sections(work_dir, results.ssl),
        "views": _views(results, work_dir / "ssl"),
        "configs": _configs(work_dir, results),
    }


def _title(results: Results) -> str:
    """Return the names of the pre-trainings that are compared."""
    names = [display_name(run.arm) for run in results.runs if run.arm != SCRATCH]
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1] if names else "")))


def _views(results: Results, folder: Path) -> list[tuple[str, str]]:
    """Read the pictures of what the pre-trainings see: (name, data URI)."""
    pictures = [(ssl.name, data_uri(folder / ssl.name / "views.png")) for ssl in results.ssl]
    return [(display_name(name.split(JOIN)[-1]), uri) for name, uri in pictures if uri is not None]


def _configs(work_dir: Path, results: Results) -> list[tuple[str, str]]:
    """Read the resolved configs that the trainings wrote into their work directories."""
    folders = {
        f"{display_name(ssl.name)} pre-training": work_dir / "ssl" / ssl.name for ssl in results.ssl
    }
    for run in results.runs:
        start = "from scratch" if run.arm == SCRATCH else f"after {display_name(run.arm)}"
        folders[f"Final classifier {start}"] = work_dir / "finetune" / run.arm / "final"
    return [
        (title, path.read_text(encoding="utf-8"))
        for title, folder in folders.items()
        for path in sorted(folder.glob("*.py"))[:1]  # each training writes its resolved config
    ]
