"""Figures of the report, each an inline SVG: learning curves, recalls, confusion, reliability.

The curves come from the logs of the trainings, the reliability diagram from the scores of the
tests; recalls and confusion matrices are in the results.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from mmselfsup.metrics import calibration_bins, expected_calibration_error
from mmselfsup.utils.json_log import MONITOR_SCORES, Curve, read_log

from ..records import Results, RunRecord, SearchRecord
from ..settings import SCRATCH
from ..stages.test import read_scores
from .html import GRID, INK, MUTED, PAPER, SSL_COLORS, panel, to_svg
from .tables import arm_legends, arm_titles, by_arm, display_name
from .words import words

Drawing = tuple[str, str]  # caption, SVG
_MOST_BARS = 3  # per class; with more classifiers, points are drawn
_LARGEST_DOT = 120.0  # area in square points: the bin with the most images
_FEWEST_JOINED = 10  # images of a bin that the line includes: the accuracy of fewer is noise


def curves(
    lines: Mapping[str, Curve],
    colors: Mapping[str, str],
    name: str,
    ylabel: str,
    description: str,
    title: Callable[[str], str] = display_name,
) -> str:
    """Draw values over epochs, a line for each arm.

    Args:
        lines: Arm -> (epochs, value) pairs.
        colors: Colour of each arm.
        name: Name of the figure.
        ylabel: What the values are.
        description: Text for screen readers.
        title: Function that names an arm in the legend.
    """
    with panel() as (figure, axes):
        for arm, curve in lines.items():
            xs, ys = zip(*_finite(curve), strict=True) if _finite(curve) else ((), ())
            style = "--" if arm == SCRATCH else "-"
            marker = _marker(xs)
            axes.plot(xs, ys, style, color=colors[arm], label=title(arm), marker=marker)
        axes.set_xlabel("epoch")
        axes.locator_params("x", integer=True)
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
    title: Callable[[str], str] = display_name,
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
                marker=_marker(points),
                label=f"{title(arm)}, lr {lr:g}" if strong else None,
            )
        axes.set_xlabel("epoch")
        axes.locator_params("x", integer=True)
        axes.set_ylabel("balanced accuracy")
        axes.set_xlim(left=0)
        # Outside: with several thin lines for each arm, no corner of the panel is free.
        figure.legend(loc="outside upper center", ncols=2)
        return to_svg(figure, name, "Validation balanced accuracy of every learning rate tried")


def search_points(
    tried: Sequence[SearchRecord],
    colors: Mapping[str, str],
    name: str,
    title: Callable[[str], str] = display_name,
) -> str:
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
                label=title(arm),
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


def _marker(points: Sequence[object]) -> str:
    """Return a marker for a single point, which a line alone doesn't show; '' for more."""
    return "o" if len(points) == 1 else ""


def _finite(curve: Curve) -> Curve:
    """Remove the points that can't be drawn."""
    return [(x, y) for x, y in curve if math.isfinite(y)]


def learning_curves(results: Results, colors: Mapping[str, str], work_dir: Path) -> list[Drawing]:
    """Draw the curves whose logs exist."""
    return [
        *_pretrainings(results, colors, work_dir / "ssl"),
        *_finals(results, colors, work_dir / "finetune"),
        *_search(results, colors, work_dir / "finetune"),
    ]


def _pretrainings(results: Results, colors: Mapping[str, str], folder: Path) -> list[Drawing]:
    """Draw the loss of each pre-training by itself: losses of two methods can't be compared."""
    drawn, title = [], arm_titles(results.runs)
    for i, ssl in enumerate(results.ssl):
        loss = read_log(folder / ssl.name).train_curve()
        if loss:
            caption = f"Loss of the {title(ssl.name)} pre-training"
            color = {ssl.name: colors.get(ssl.name, SSL_COLORS[0])}
            svg = curves({ssl.name: loss}, color, f"ssl-loss-{i}", "loss", caption)
            drawn.append((f"{caption}.", svg))
        drawn += _monitored(title(ssl.name), folder / ssl.name, i)
    return drawn


def _monitored(title: str, folder: Path, number: int) -> list[Drawing]:
    """Draw how k-NN and probe went during a pre-training, from its start weights at epoch 0 on."""
    log = read_log(folder)
    lines = {label: log.val_curve(key) for key, label in MONITOR_SCORES.items()}
    lines = {label: curve for label, curve in lines.items() if _finite(curve)}
    if not lines:
        return []
    caption = f"Frozen features during the {title} pre-training; epoch 0 is the start"
    colors = dict(zip(lines, SSL_COLORS, strict=False))
    svg = curves(lines, colors, f"ssl-monitor-{number}", "balanced accuracy", caption)
    return [(f"{caption}.", svg)]


def _finals(results: Results, colors: Mapping[str, str], folder: Path) -> list[Drawing]:
    """Draw the training loss of the final classifiers."""
    finals = {run.arm: read_log(folder / run.arm / "final").train_curve() for run in results.runs}
    if not any(finals.values()):
        return []
    caption = "Training loss of the final classifiers"
    svg = curves(finals, colors, "ft-loss", "loss", caption, arm_legends(results.runs))
    return [(f"{caption}, on the whole training fold.", svg)]


def _search(results: Results, colors: Mapping[str, str], folder: Path) -> list[Drawing]:
    """Draw the validation results of the learning rates tried."""
    tried = {
        (run.arm, run.lr): read_log(folder / run.arm / f"lr_{run.lr:g}").val_curve()
        for run in results.lr_search
    }
    if not any(tried.values()):
        return []
    chosen = {run.arm: run.lr for run in results.lr_search if run.chosen}
    title = arm_legends(results.runs)
    lines = search_curves(tried, chosen, colors, "val-curves", title)
    points = search_points(results.lr_search, colors, "val-lrs", title)
    return [
        (f"Validation {words().groups}: every learning rate tried; the chosen one is bold.", lines),
        (
            f"Validation {words().groups} after the last epoch, by learning rate; filled: chosen.",
            points,
        ),
    ]


def recall_bars(runs: Sequence[RunRecord], colors: Mapping[str, str], name: str) -> str:
    """Draw the recall of each class, a bar or a point per classifier."""
    names = list(runs[0].recall)
    totals = [sum(row) for row in runs[0].confusion_matrix]
    thick = 0.8 / len(runs)
    with panel(height=0.5 + 0.42 * len(names)) as (figure, axes):
        for i, run in enumerate(runs):
            # The bars of a class are centred on its tick.
            ys = [c + (i - (len(runs) - 1) / 2) * thick for c in range(len(names))]
            # A class without test images has no recall, which is not a recall of 0.
            recalls = [math.nan if (value := run.recall[c]) is None else value for c in names]
            if len(runs) > _MOST_BARS:
                axes.plot(recalls, ys, "o", color=colors[run.arm], markersize=4)
                continue
            axes.barh(ys, recalls, thick * 0.9, color=colors[run.arm])
            for y, value in zip(ys, recalls, strict=True):
                text, x = ("–", 0.0) if math.isnan(value) else (f"{value:.2f}", value)
                axes.text(x + 0.01, y, text, va="center", color=MUTED, fontsize=8)
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
        from matplotlib.patches import Rectangle  # slow to load

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
        return to_svg(
            figure, name, f"Confusion matrix of the classifier {arm_titles([run])(run.arm)}"
        )


def reliability(
    runs: Sequence[RunRecord], colors: Mapping[str, str], work_dir: Path
) -> list[Drawing]:
    """Draw the accuracy over the confidence, a line for each classifier, a dot for each bin.

    Args:
        runs: The classifiers.
        colors: Colour of each arm.
        work_dir: Work directory of the study; classifiers without scores
            are left out.

    Returns:
        One figure with its caption; none without scores.
    """
    paths = {run.arm: work_dir / "finetune" / run.arm / "test" / "scores.npz" for run in runs}
    scores = {arm: read_scores(path) for arm, path in paths.items() if path.is_file()}
    if not scores:
        return []
    errors = {arm: expected_calibration_error(*values) for arm, values in scores.items()}
    title, legend = arm_titles(runs), arm_legends(runs)
    with panel(height=4.3) as (figure, axes):
        axes.plot((0, 1), (0, 1), ":", color=MUTED, linewidth=1)
        for arm, values in scores.items():
            bins = calibration_bins(*values)
            filled = bins["count"] > 0  # empty bins have no accuracy
            sizes = _LARGEST_DOT * bins["count"][filled] / np.max(bins["count"])
            x, y = bins["confidence"][filled], bins["accuracy"][filled]
            style = "--" if arm == SCRATCH else "-"
            many = bins["count"][filled] >= _FEWEST_JOINED
            color, label = colors[arm], legend(arm)
            axes.plot(x[many], y[many], style, color=color, label=label, linewidth=1)
            axes.scatter(x, y, sizes, color=color, alpha=0.7, linewidths=0, clip_on=False)
        axes.set(xlim=(0, 1), ylim=(0, 1), aspect="equal")
        axes.set_xlabel("confidence (highest probability)")
        axes.set_ylabel("accuracy")
        axes.legend(loc="best")
        svg = to_svg(figure, "reliability", "Accuracy over the confidence")
    listed = ", ".join(f"{title(arm)} {error:.3f}" for arm, error in errors.items())
    caption = (
        "Reliability: test images in bins of confidence, the area of a dot by their number; lines "
        f"leave out bins with fewer than {_FEWEST_JOINED}. On the dotted line accuracy equals "
        f"confidence. Expected calibration error: {listed}."
    )
    return [(caption, svg)]
