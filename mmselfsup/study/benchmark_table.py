"""The results of one row."""

from __future__ import annotations

import json
import statistics
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmselfsup.utils.json_log import read_log

from ..step import Step
from .entry import Entry


@dataclass(frozen=True)
class FrozenRecord:
    """One row of the table.

    Attributes:
        name: The algorithm, or ``untrained``.
        seed: Its seed.
        config: File name of its config.
        epochs: Epochs of its training.
        views: Views that the network saw.
        knn: Balanced accuracy of the nearest neighbours, 0..1.
        probe: Balanced accuracy of the linear probe, 0..1.
        knn_accuracy: Accuracy of the nearest neighbours, 0..1.
        probe_accuracy: Accuracy of the linear probe, 0..1.
        seconds: Wall-clock time of the training.
        images_per_s: Speed, the median over the lines of the log; None: untrained.
        first_loss: Loss of the log's first line.
        last_loss: Loss of the log's last line.
    """

    name: str
    seed: int
    config: str
    epochs: int
    views: int
    knn: float
    probe: float
    knn_accuracy: float
    probe_accuracy: float
    seconds: float
    images_per_s: float | None
    first_loss: float | None
    last_loss: float | None


def read_record(entry: Entry, num_knn: int) -> FrozenRecord:
    """Read the results of the steps of a row."""
    train = entry.folder / "train"
    lines = read_log(train).train if entry.epochs else []
    speeds = [line["images_per_s"] for line in lines if "images_per_s" in line]
    losses = [float(line["loss"]) for line in lines if "loss" in line]
    knn = read_probe_result(entry.folder / "knn" / "knn.json", f"kNN, k={num_knn}")
    probe = read_probe_result(entry.folder / "linear" / "linear.json", "linear probe")
    return FrozenRecord(
        name=entry.name,
        seed=entry.seed,
        config=entry.config.name,
        epochs=entry.epochs,
        views=entry.views,
        knn=knn["balanced_accuracy"],
        probe=probe["balanced_accuracy"],
        knn_accuracy=knn["accuracy"],
        probe_accuracy=probe["accuracy"],
        seconds=Step(entry.title, train, {}).seconds(),
        images_per_s=statistics.median(speeds) if speeds else None,
        first_loss=losses[0] if losses else None,
        last_loss=losses[-1] if losses else None,
    )


def read_probe_result(path: Path, start: str) -> dict[str, Any]:
    """Return the metrics of the first row whose name begins with ``start``."""
    results: dict[str, dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))["results"]
    return next(metrics for name, metrics in results.items() if name.startswith(start))
