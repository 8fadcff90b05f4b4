"""Section of the report with the numbers on the test fold, and their figures.

Two classifiers are the columns of a table with the difference between them; more than two are its
rows. Below: the recall of each class, the confusion matrices and the reliability diagram.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmselfsup.metrics.bootstrap import FEWEST_LESIONS, bootstrap_intervals, fewest_lesions
from mmselfsup.metrics.heads import lesion_keys

from ..memo import content_key, remembered
from ..records import Results, RunRecord
from ..stages.test import SCORES
from .figures import confusion, recall_bars, reliability
from .html import Section, arm_colors, css_colors
from .tables import arm_titles, number, run_label, seen_note


def result_section(study_dir: Path, results: Results) -> Section:
    """Return the section of the results; the reliability needs the scores of the tests."""
    runs = results.runs
    colors = arm_colors(runs)
    ranges, title = intervals(study_dir, runs), arm_titles(runs)
    context = {
        "runs": runs,
        "rows": metric_rows(runs, ranges),
        "by_lesion": {by_lesion for _, by_lesion, _ in ranges.values()},
        "few": min((fewest for *_, fewest in ranges.values()), default=FEWEST_LESIONS),
        "enough": FEWEST_LESIONS,
        "saw_test": seen_note(runs),
        "colors": css_colors(colors),
        "display_name": title,
        "run_label": run_label,
        "recall_bars": recall_bars(runs, colors, "recall"),
        "confusions": [
            (title(run.arm), confusion(run, colors[run.arm], f"confusion-{i}"))
            for i, run in enumerate(runs)
        ],
        "reliability": reliability(runs, colors, study_dir),
    }
    return Section("result.html.j2", context)


Ranges = dict[str, tuple[dict[str, tuple[float, float]], bool, int]]
_KEPT = "intervals.json"  # in the folder of a test
_METRICS = ("balanced_accuracy", "accuracy", "macro_auc")


def intervals(study_dir: Path, runs: Sequence[RunRecord]) -> Ranges:
    """Return 95 % intervals of the metrics of each arm whose test has left its scores.

    Args:
        study_dir: Folder of the study.
        runs: The classifiers.

    Returns:
        For each arm the ends by the name of the metric, whether lesions were drawn (not where none
        is known), and the number of lesions of the class that has the fewest.
    """
    found: Ranges = {}
    for run in runs:
        path = study_dir / "finetune" / run.arm / "test" / SCORES
        if not path.is_file():
            continue
        with np.load(path) as data:
            lesions = data["lesions"].tolist() if "lesions" in data.files else None
            scores, labels = data["scores"], data["labels"]
        ends = _kept_intervals(path.with_name(_KEPT), scores, labels, lesions)
        fewest = fewest_lesions(labels, lesion_keys(lesions))
        found[run.arm] = (ends, any(lesions or ()), fewest)
    return found


def _kept_intervals(
    path: Path, scores: NDArray[Any], labels: NDArray[Any], lesions: Sequence[str] | None
) -> dict[str, tuple[float, float]]:
    """Return the intervals of one test, kept beside its scores until these change."""
    return remembered(
        path,
        content_key(scores, labels, lesions),
        lambda: bootstrap_intervals(scores, labels, lesion_keys(lesions)),
        lambda ends: {key: (_number(low), _number(high)) for key, (low, high) in ends.items()},
    )


def _number(value: float | None) -> float:
    """Return a number of a JSON file, where nan is null."""
    return float("nan") if value is None else float(value)


def metric_rows(runs: Sequence[RunRecord], ranges: Ranges | None = None) -> list[dict[str, Any]]:
    """Return the rows of the comparison: name, images, value and interval of each run, difference.

    Args:
        runs: The classifiers.
        ranges: See ``intervals``.
    """
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
    keys = [*_METRICS, *[""] * len(runs[0].recall)]
    return [
        {
            "name": name,
            "total": total,
            "cells": [number(v, 3) for v in cells],
            "ranges": [_range(ranges or {}, run.arm, key) for run in runs],
            "difference": _difference(cells),
        }
        for (name, total, cells), key in zip(values, keys, strict=True)
    ]


def _range(ranges: Ranges, arm: str, key: str) -> str:
    """Format the interval of a metric; '' where none is known."""
    if arm not in ranges or key not in ranges[arm][0]:
        return ""
    low, high = ranges[arm][0][key]
    return f"{low:.3f}\N{EN DASH}{high:.3f}"


def _difference(cells: Sequence[float | None]) -> str:
    """Format the second value minus the first, with its sign."""
    if len(cells) != 2 or cells[0] is None or cells[1] is None:
        return ""
    return f"{cells[1] - cells[0]:+.3f}".replace("-", "\N{MINUS SIGN}")
