"""Section of the report on few labels: balanced accuracy over the part of the labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from ..records import Results
from ..settings import SCRATCH
from .html import Section, arm_colors, css_colors, panel, to_svg
from .labels import LABELS_NOTE, LabelPoint, label_curves
from .tables import display_name, run_label


def labels_section(study_dir: Path, results: Results) -> Section | None:
    """Return the section of few labels; None without ``--labels``."""
    curves = label_curves(results)
    if not curves:
        return None
    colors = arm_colors([run.arm for run in results.runs])
    percents = sorted({point.percent for points in curves.values() for point in points})
    cells = {arm: {point.percent: point for point in points} for arm, points in curves.items()}
    images = {point.percent: point.images for points in curves.values() for point in points}
    context = {
        "runs": results.runs,
        "percents": percents,
        "images": images,
        "cells": cells,
        "draws": max(record.draw for record in results.labels),
        "colors": css_colors(colors),
        "run_label": run_label,
        "curve": draw_curves(curves, colors),
        "note": LABELS_NOTE,
    }
    return Section("labels.html.j2", context)


def draw_curves(curves: Mapping[str, Sequence[LabelPoint]], colors: Mapping[str, str]) -> str:
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
        return to_svg(figure, "labels", "Balanced accuracy over the part of the labels by start")
