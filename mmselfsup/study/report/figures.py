"""Figures of trainings: values over epochs and over learning rates, each an inline SVG."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from mmselfsup.utils.json_log import Curve

from .record import SearchRecord
from .settings import SCRATCH
from .svg import PAPER, panel, to_svg
from .table import by_arm
from .verdict import display_name


def curves(
    lines: Mapping[str, Curve], colors: Mapping[str, str], name: str, ylabel: str, description: str
) -> str:
    """Draw values over epochs, a line for each arm.

    Args:
        lines: Arm -> (epochs, value) pairs.
        colors: Colour of each arm.
        name: Name of the figure.
        ylabel: What the values are.
        description: Text for screen readers.
    """
    with panel() as (figure, axes):
        for arm, curve in lines.items():
            xs, ys = zip(*_finite(curve), strict=True) if _finite(curve) else ((), ())
            style = "--" if arm == SCRATCH else "-"
            axes.plot(xs, ys, style, color=colors[arm], label=display_name(arm))
        axes.set_xlabel("epoch")
        axes.set_ylabel(ylabel)
        axes.set_xlim(left=0)
        if len(lines) > 1:
            axes.legend(loc="best")
        return to_svg(figure, name, description)


def search_curves(
    lines: Mapping[tuple[str, float], Curve],
    chosen: Mapping[str, float],
    colors: Mapping[str, str],
    name: str,
) -> str:
    """Draw the validation balanced accuracy of each learning rate tried; bold if chosen."""
    with panel() as (figure, axes):
        for (arm, lr), curve in lines.items():
            points = _finite(curve)
            if not points:
                continue
            strong = chosen.get(arm) == lr
            axes.plot(
                *zip(*points, strict=True),
                "--" if arm == SCRATCH else "-",
                color=colors[arm],
                alpha=1 if strong else 0.35,
                linewidth=1.8 if strong else 1,
                label=f"{display_name(arm)}, lr {lr:g}" if strong else None,
            )
        axes.set_xlabel("epoch")
        axes.set_ylabel("balanced accuracy")
        axes.set_xlim(left=0)
        # Outside: with several thin lines for each arm, no corner of the panel is free.
        figure.legend(loc="outside upper center", ncols=2)
        return to_svg(figure, name, "Validation balanced accuracy of every learning rate tried")


def search_points(tried: Sequence[SearchRecord], colors: Mapping[str, str], name: str) -> str:
    """Draw the validation balanced accuracy over the learning rate, a line for each arm."""
    with panel() as (figure, axes):
        for arm, runs in by_arm(tried).items():
            points = _finite([(run.lr, run.balanced_accuracy or math.nan) for run in runs])
            if not points:
                continue
            style = "o--" if arm == SCRATCH else "o-"
            color = colors[arm]
            axes.plot(
                *zip(*points, strict=True),
                style,
                color=color,
                label=display_name(arm),
                markerfacecolor=PAPER,
                markersize=5,
            )
            for run in runs:
                if run.chosen and run.balanced_accuracy is not None:
                    axes.plot(run.lr, run.balanced_accuracy, "o", color=color, markersize=6)
        lrs = sorted({run.lr for run in tried})
        axes.set_xscale("log")
        axes.set_xticks(lrs, [f"{lr:g}" for lr in lrs])
        axes.minorticks_off()  # their labels would overlap those of the learning rates
        axes.set_xlabel("learning rate")
        axes.set_ylabel("balanced accuracy")
        axes.legend(loc="best")
        return to_svg(figure, name, "Validation balanced accuracy over the learning rate")


def _finite(curve: Curve) -> Curve:
    """Remove the points that can't be drawn."""
    return [(x, y) for x, y in curve if math.isfinite(y)]
