"""The results on frozen features, as a table and as JSON."""

import math
from collections.abc import Mapping
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from mmselfsup.core.evaluation.labelled import LabelledFeatures

_WIDTH = 100  # columns where the output is no terminal
#: Recalls of more classes than this are in the JSON file only.
_MAX_COLUMNS = 12


def print_table(
    rows: Mapping[str, Mapping[str, float]], data: LabelledFeatures, weights: str
) -> None:
    """Print balanced accuracy, accuracy and, for few classes, the recalls of each classifier.

    Args:
        rows: Metrics of each classifier.
        data: The features of the evaluation.
        weights: Where the network's weights come from.
    """
    names = list(data.classes or map(str, range(data.num_classes)))
    names = names if len(names) <= _MAX_COLUMNS else []
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    table.add_column("classifier", no_wrap=True)
    for header in ("bal. acc.", "accuracy", *names):
        table.add_column(header, justify="right", no_wrap=True)
    for title, metrics in rows.items():
        recalls = (f"{metrics[f'recall_{name}']:.2f}" for name in names)
        main = (f"{metrics[key]:.4f}" for key in ("balanced_accuracy", "accuracy"))
        table.add_row(title, *main, *recalls)
    console = Console()
    if not console.is_terminal:
        console = Console(width=_WIDTH)
    console.print(table)
    width = data.train.shape[1]
    console.print(
        f"{len(data.train)} training and {len(data.test)} test images, {width} features each; "
        f"weights: {weights}. Columns of classes: recall.",
        highlight=False,
    )


def finite(metrics: Mapping[str, Any]) -> dict[str, float | None]:
    """Return the metrics as plain numbers for JSON, with None for nan and infinity."""
    numbers = {name: float(value) for name, value in metrics.items()}
    return {name: v if math.isfinite(v) else None for name, v in numbers.items()}
