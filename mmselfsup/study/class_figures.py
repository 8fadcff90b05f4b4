"""Figures of classes: recall and confusion, each an inline SVG."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from .record import RunRecord
from .svg import GRID, INK, MUTED, PAPER, panel, to_svg

_MOST_BARS = 3  # per class; with more classifiers, points are drawn


def recall_bars(runs: Sequence[RunRecord], colors: Mapping[str, str], name: str) -> str:
    """Draw the recall of each class, a bar or a point per classifier."""
    names = list(runs[0].recall)
    totals = [sum(row) for row in runs[0].confusion_matrix]
    thick = 0.8 / len(runs)
    with panel(height=0.5 + 0.42 * len(names)) as (figure, axes):
        for i, run in enumerate(runs):
            # The bars of a class are centred on its tick.
            ys = [c + (i - (len(runs) - 1) / 2) * thick for c in range(len(names))]
            values = [run.recall[c] or 0.0 for c in names]
            if len(runs) > _MOST_BARS:
                axes.plot(values, ys, "o", color=colors[run.arm], markersize=4)
                continue
            axes.barh(ys, values, thick * 0.9, color=colors[run.arm])
            for y, value in zip(ys, values, strict=True):
                axes.text(value + 0.01, y, f"{value:.2f}", va="center", color=MUTED, fontsize=8)
        labels = [f"{c} ({n})" for c, n in zip(names, totals, strict=True)]
        axes.set_yticks(range(len(names)), labels)
        axes.invert_yaxis()
        axes.grid(axis="y", visible=False)
        axes.set_xlim(0, 1.08)  # space for the number beside a full bar
        axes.set_xticks([0, 0.25, 0.5, 0.75, 1], ["0", "", "0.5", "", "1"])
        axes.set_xlabel("recall")
        return to_svg(figure, name, "Recall of each class for each classifier")


def confusion(run: RunRecord, color: str, name: str) -> str:
    """Draw a confusion matrix: counts, shaded by the fraction of the true class."""
    matrix, names = run.confusion_matrix, list(run.recall)
    with panel(height=4.3) as (figure, axes):
        from matplotlib.patches import Rectangle

        for i, row in enumerate(matrix):
            for j, count in enumerate(row):
                fraction = count / max(sum(row), 1)
                ink = PAPER if fraction > 0.6 else INK  # readable on a dark field
                axes.add_patch(
                    Rectangle(
                        (j - 0.5, i - 0.5), 1, 1, facecolor=color, alpha=fraction, linewidth=0
                    )
                )
                axes.text(
                    j,
                    i,
                    str(count),
                    ha="center",
                    va="center",
                    fontsize=8.5,
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
