"""Section of the report on few labels: balanced accuracy over the part of the labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..records import Results
from ..settings import SCRATCH
from .html import Section, arm_colors, css_colors, panel, to_svg
from .labels import LabelPoint, few_labels_note, label_curves
from .tables import display_name, labels_note


def labels_section(study_dir: Path, results: Results) -> Section | None:
    """Return the section of few labels; None without ``--labels``."""
    context = labels_context([(study_dir, results)])
    return None if context is None else Section("labels.html.j2", context)


def labels_context(
    studies: Sequence[tuple[Path, Results]], name: str = "labels"
) -> dict[str, Any] | None:
    """Return what the template of few labels shows; None without ``--labels``.

    Args:
        studies: See ``label_curves``.
        name: Name of the figure, unique on the page.
    """
    curves = label_curves(studies)
    if not curves:
        return None
    runs = [run for _, results in studies for run in results.runs]
    colors = arm_colors(runs)
    every = [point for points in curves.values() for point in points]
    return {
        "arms": list(curves),
        "percents": sorted({point.percent for point in every}),
        "images": {point.percent: point.images for point in every},
        "cells": {arm: {p.percent: p for p in points} for arm, points in curves.items()},
        "gains": any(point.gain_text for point in every),
        "draws": max(record.draw for _, results in studies for record in results.labels),
        "folds": len({results.study.fold for _, results in studies}),
        "colors": css_colors(colors),
        "display_name": display_name,
        "curve": draw_curves(curves, colors, name),
        "labels_note": f"{few_labels_note()} {labels_note(runs)}".strip(),
    }


def draw_curves(
    curves: Mapping[str, Sequence[LabelPoint]], colors: Mapping[str, str], name: str
) -> str:
    """Draw balanced accuracy over the part of the labels, with intervals, a line for each arm."""
    with panel(height=3.4) as (figure, axes):
        for number, (arm, points) in enumerate(curves.items()):
            # A little apart, so that intervals don't hide each other.
            shift = 1.03 ** (number - (len(curves) - 1) / 2)
            axes.errorbar(
                [point.percent * shift for point in points],
                [point.mean for point in points],
                [point.half_width for point in points],
                fmt="o--" if arm == SCRATCH else "o-",
                color=colors[arm],
                label=display_name(arm),
                markersize=4,
                capsize=2,
                linewidth=1.4,
            )
        percents = sorted({point.percent for points in curves.values() for point in points})
        axes.set_xscale("log")
        axes.set_xticks(percents, [f"{percent:g} %" for percent in percents])
        axes.minorticks_off()
        axes.set_xlabel("labels of each class")
        axes.set_ylabel("balanced accuracy")
        figure.legend(loc="outside upper center", ncols=2 if len(curves) > 3 else 1)
        return to_svg(figure, name, "Balanced accuracy over the part of the labels by start")
