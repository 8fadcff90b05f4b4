"""The figures of the report, each an inline SVG."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from .logs import Curve
from .record import RunRecord, SearchRecord
from .settings import SCRATCH
from .svg import GRID, INK, MUTED, PAPER, SCRATCH_COLOR, SSL_COLOR, panel, to_svg
from .table import by_arm
from .verdict import display_name


def arm_color(arm: str) -> str:
    """Give the colour of an arm."""
    return SCRATCH_COLOR if arm == SCRATCH else SSL_COLOR


def curves(
    lines: Mapping[str, Curve], name: str, ylabel: str, description: str, log: bool = False
) -> str:
    """Draw values over epochs, a line for each arm, named at its end.

    Args:
        lines: Arm -> (epochs, value) pairs.
        name: Name of the figure.
        ylabel: What the values are.
        description: For people who listen to the page.
        log: Logarithmic values.
    """
    with panel() as (figure, axes):
        for arm, curve in lines.items():
            xs, ys = zip(*_finite(curve), strict=True) if _finite(curve) else ((), ())
            style = "--" if arm == SCRATCH else "-"
            axes.plot(xs, ys, style, color=arm_color(arm), label=display_name(arm))
        axes.set_xlabel("epoch")
        axes.set_ylabel(ylabel)
        axes.set_xlim(left=0)
        if log:
            axes.set_yscale("log")
        if len(lines) > 1:
            axes.legend(loc="best")
        return to_svg(figure, name, description)


def search_curves(
    lines: Mapping[tuple[str, float], Curve], chosen: Mapping[str, float], name: str
) -> str:
    """Draw the validation balanced accuracy of each learning rate tried; strong if chosen."""
    with panel() as (figure, axes):
        for (arm, lr), curve in lines.items():
            points = _finite(curve)
            if not points:
                continue
            strong = chosen.get(arm) == lr
            axes.plot(
                *zip(*points, strict=True),
                "--" if arm == SCRATCH else "-",
                color=arm_color(arm),
                alpha=1 if strong else 0.35,
                linewidth=1.8 if strong else 1,
                label=f"{display_name(arm)}, lr {lr:g}" if strong else None,
            )
        axes.set_xlabel("epoch")
        axes.set_ylabel("balanced accuracy")
        axes.set_xlim(left=0)
        axes.legend(loc="best")
        return to_svg(figure, name, "Validation balanced accuracy of every learning rate tried")


def search_points(tried: Sequence[SearchRecord], name: str) -> str:
    """Draw the validation balanced accuracy over the learning rate, a line for each arm."""
    with panel() as (figure, axes):
        for arm, runs in by_arm(tried).items():
            points = _finite([(run.lr, run.balanced_accuracy or math.nan) for run in runs])
            if not points:
                continue
            style = "o--" if arm == SCRATCH else "o-"
            color = arm_color(arm)
            axes.plot(
                *zip(*points, strict=True), style, color=color, label=display_name(arm),
                markerfacecolor=PAPER, markersize=5,
            )
            for run in runs:
                if run.chosen:
                    axes.plot(run.lr, run.balanced_accuracy, "o", color=color, markersize=6)
        lrs = sorted({run.lr for run in tried})
        axes.set_xscale("log")
        axes.set_xticks(lrs, [f"{lr:g}" for lr in lrs])
        axes.minorticks_off()
        axes.set_xlabel("learning rate")
        axes.set_ylabel("balanced accuracy")
        axes.legend(loc="best")
        return to_svg(figure, name, "Validation balanced accuracy over the learning rate")


def recall_bars(runs: Sequence[RunRecord], name: str) -> str:
    """Draw the recall of each class as a pair of bars, with the number of test images."""
    names = list(runs[0].recall)
    totals = [sum(row) for row in runs[0].confusion_matrix]
    thick = 0.8 / len(runs)
    with panel(height=0.5 + 0.42 * len(names)) as (figure, axes):
        for i, run in enumerate(runs):
            ys = [c + (i - (len(runs) - 1) / 2) * thick for c in range(len(names))]
            values = [run.recall[c] or 0.0 for c in names]
            axes.barh(ys, values, thick * 0.9, color=arm_color(run.arm))
            for y, value in zip(ys, values, strict=True):
                axes.text(value + 0.01, y, f"{value:.2f}", va="center", color=MUTED, fontsize=8)
        labels = [f"{c} ({n})" for c, n in zip(names, totals, strict=True)]
        axes.set_yticks(range(len(names)), labels)
        axes.invert_yaxis()
        axes.grid(axis="y", visible=False)
        axes.set_xlim(0, 1.08)
        axes.set_xticks([0, 0.25, 0.5, 0.75, 1], ["0", "", "0.5", "", "1"])
        axes.set_xlabel("recall")
        return to_svg(figure, name, "Recall of each class for each classifier")


def confusion(run: RunRecord, name: str) -> str:
    """Draw a confusion matrix: counts, shaded by the share of the true class."""
    matrix, names = run.confusion_matrix, list(run.recall)
    with panel(height=4.3) as (figure, axes):
        from matplotlib.patches import Rectangle

        for i, row in enumerate(matrix):
            for j, count in enumerate(row):
                share = count / max(sum(row), 1)
                color, ink = arm_color(run.arm), PAPER if share > 0.55 else INK
                axes.add_patch(
                    Rectangle(
                        (j - 0.5, i - 0.5), 1, 1, facecolor=color, alpha=share, linewidth=0
                    )
                )
                axes.text(
                    j, i, str(count), ha="center", va="center", fontsize=8.5,
                    color=ink if count else GRID,
                )
        axes.set(xlim=(-0.5, len(names) - 0.5), ylim=(len(names) - 0.5, -0.5), aspect="equal")
        axes.set_xticks(range(len(names)), names, fontsize=8)
        axes.set_yticks(range(len(names)), names, fontsize=8)
        axes.grid(visible=False)
        axes.spines[["left", "bottom"]].set_visible(False)
        axes.set_xlabel("predicted")
        axes.set_ylabel("true class")
        return to_svg(figure, name, f"Confusion matrix of the classifier {run.arm}")


def _finite(curve: Curve) -> Curve:
    """Leave out what can't be drawn."""
    return [(x, y) for x, y in curve if math.isfinite(y)]
