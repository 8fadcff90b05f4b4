"""Read the JSON logs that a training leaves in its work directory."""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Curve = list[tuple[float, float]]  # (epochs trained, value)


@dataclass(frozen=True)
class TrainingLog:
    """What a training logged, in the order of time.

    Attributes:
        train: Lines of mode `train`.
        val: Lines of mode `val`.
    """

    train: list[dict[str, Any]]
    val: list[dict[str, Any]]

    def train_curve(self, key: str = "loss") -> Curve:
        """Give a logged value over the epochs trained, fractions of an epoch included."""
        iters = max((line["iter"] for line in self.train), default=1)
        return [
            (line["epoch"] - 1 + line["iter"] / iters, float(line[key]))
            for line in self.train
            if key in line
        ]

    def val_curve(self, key: str = "balanced_accuracy") -> Curve:
        """Give a validation metric over the epochs trained."""
        return [(float(line["epoch"]), float(line[key])) for line in self.val if key in line]

    def last_val(self, key: str = "balanced_accuracy") -> float:
        """Give the metric after the last epoch; nan if it was never measured."""
        curve = self.val_curve(key)
        return curve[-1][1] if curve else math.nan

    def epochs_done(self) -> int:
        """Count the epochs known to have been trained whole.

        A line says how far its epoch is, not how long epochs are: that is known once there is a
        second one. So the first epoch counts when the second has begun, the others at their last
        line, and the epoch of a training of one epoch never.
        """
        last = max((line["epoch"] for line in self.train), default=1)
        whole = max((line["iter"] for line in self.train if line["epoch"] < last), default=math.inf)
        reached = max((line["iter"] for line in self.train if line["epoch"] == last), default=0)
        return last if reached >= whole else last - 1


def log_files(work_dir: Path) -> list[Path]:
    """List the logs of a work directory, one for each start of the training, oldest first."""
    return sorted(work_dir.glob("*.log.json"))


def read_log(work_dir: Path, without: Collection[Path] = ()) -> TrainingLog:
    """Read all `*.log.json` of a work directory; where a resumed run repeats, the later line wins.

    Lines cut off in the middle (a killed run) are left out.

    Args:
        work_dir: The work directory of a training.
        without: Logs to pass over.
    """
    found: dict[tuple[str, int, int], dict[str, Any]] = {}
    for path in log_files(work_dir):
        for line in () if path in without else _lines(path):
            key = (line["mode"], line["epoch"], 0 if line["mode"] == "val" else line["iter"])
            found[key] = line
    ordered = [found[key] for key in sorted(found)]
    return TrainingLog(
        train=[line for line in ordered if line["mode"] == "train"],
        val=[line for line in ordered if line["mode"] == "val"],
    )


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the lines of training and validation; the first line of a log describes the run."""
    with open(path, encoding="utf-8") as file:
        for text in file:
            try:
                line = json.loads(text)
            except json.JSONDecodeError:
                continue
            if isinstance(line, dict) and {"mode", "epoch", "iter"} <= line.keys():
                yield line
