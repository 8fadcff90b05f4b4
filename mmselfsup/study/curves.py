"""The learning curves of the report, from the logs of the trainings."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from mmselfsup.utils.json_log import read_log

from . import figures
from .results import Results
from .svg import SSL_COLORS
from .verdict import display_name

Drawing = tuple[str, str]  # caption, SVG


def learning_curves(results: Results, colors: Mapping[str, str], work_dir: Path) -> list[Drawing]:
    """Draw the curves whose logs exist."""
    return [
        *_pretrainings(results, colors, work_dir / "ssl"),
        *_finals(results, colors, work_dir / "finetune"),
        *_search(results, colors, work_dir / "finetune"),
    ]


def _pretrainings(results: Results, colors: Mapping[str, str], folder: Path) -> list[Drawing]:
    """Draw the loss of each pre-training by itself: losses of two methods can't be compared."""
    drawn = []
    for i, ssl in enumerate(results.ssl):
        loss = read_log(folder / ssl.name).train_curve()
        if loss:
            caption = f"Loss of the {display_name(ssl.name)} pre-training"
            color = {ssl.name: colors.get(ssl.name, SSL_COLORS[0])}
            svg = figures.curves({ssl.name: loss}, color, f"ssl-loss-{i}", "loss", caption)
            drawn.append((f"{caption}.", svg))
    return drawn


def _finals(results: Results, colors: Mapping[str, str], folder: Path) -> list[Drawing]:
    """Draw the training loss of the final classifiers."""
    finals = {run.arm: read_log(folder / run.arm / "final").train_curve() for run in results.runs}
    if not any(finals.values()):
        return []
    svg = figures.curves(
        finals, colors, "ft-loss", "loss", "Training loss of the final classifiers"
    )
    return [("Training loss of the final classifiers, on the whole training fold.", svg)]


def _search(results: Results, colors: Mapping[str, str], folder: Path) -> list[Drawing]:
    """Draw the validation results of the learning rates tried."""
    tried = {
        (run.arm, run.lr): read_log(folder / run.arm / f"lr_{run.lr:g}").val_curve()
        for run in results.lr_search
    }
    if not any(tried.values()):
        return []
    chosen = {run.arm: run.lr for run in results.lr_search if run.chosen}
    lines = figures.search_curves(tried, chosen, colors, "val-curves")
    points = figures.search_points(results.lr_search, colors, "val-lrs")
    return [
        ("Validation lesions: every learning rate tried; the chosen one is bold.", lines),
        ("Validation lesions after the last epoch, by learning rate; filled: chosen.", points),
    ]
