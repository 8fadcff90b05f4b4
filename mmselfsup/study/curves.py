"""The learning curves of the report, from the logs of the trainings."""

from __future__ import annotations

from pathlib import Path

from . import figures
from .logs import read_log
from .record import Results
from .verdict import display_name


def learning_curves(results: Results, work_dir: Path) -> list[tuple[str, str]]:
    """Draw the curves whose logs are there: (caption, SVG)."""
    finetune = work_dir / "finetune"
    name = display_name(results.study["algorithm"])
    drawn = []
    loss = read_log(work_dir / "ssl").train_curve()
    if loss:
        lines = {results.study["algorithm"]: loss}
        svg = figures.curves(lines, "ssl-loss", "loss", f"Loss of the {name} pre-training")
        drawn.append((f"Loss of the {name} pre-training.", svg))
    finals = {run.arm: read_log(finetune / run.arm / "final").train_curve() for run in results.runs}
    if any(finals.values()):
        svg = figures.curves(finals, "ft-loss", "loss", "Training loss of the final classifiers")
        drawn.append(("Training loss of the final classifiers, on the whole training fold.", svg))
    tried = {
        (run.arm, run.lr): read_log(finetune / run.arm / f"lr_{run.lr:g}").val_curve()
        for run in results.lr_search
    }
    if any(tried.values()):
        chosen = {run.arm: run.lr for run in results.lr_search if run.chosen}
        svg = figures.search_curves(tried, chosen, "val-curves")
        drawn.append(
            ("Validation lesions: every learning rate tried; the chosen one is strong.", svg)
        )
        svg = figures.search_points(results.lr_search, "val-lrs")
        drawn.append(
            (
                "Validation lesions after the last epoch, by learning rate; filled: chosen.",
                svg,
            )
        )
    return drawn
