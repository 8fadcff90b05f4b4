"""The JSON lines that a training run writes beside its text log.

The JSON logs that a training writes into its work directory.
"""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .errors import UserError

Line = dict[str, Any]
Curve = list[tuple[float, float]]  # (epochs trained, value)

#: What ``FrozenFeaturesHook`` logs of a backbone, and its name in tables; epoch 0 is the start.
MONITOR_SCORES = {"knn_balanced_accuracy": "k-NN", "probe_balanced_accuracy": "linear probe"}


def read_json_log(path: str) -> list[Line]:
    """Return the lines of training and validation of a ``*.log.json``, in the order of the file.

    The first line, which describes the run, and a line that was cut off by a crash are left out.

    Raises:
        UserError: The file can't be read or has no such line.
    """
    try:
        texts = Path(path).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"can't read the log {path}: {error}") from error
    lines = []
    for text in texts:
        try:
            line = json.loads(text)
        except json.JSONDecodeError:  # the last line of a run that was killed
            continue
        if _is_line(line):
            lines.append(line)
    if not lines:
        raise UserError(f"{path} has no line of a training: give a *.log.json of a work dir")
    return lines


def curve(lines: Iterable[Line], key: str) -> tuple[list[float], list[float]]:
    """Return a logged value over the epochs.

    Returns:
        Epochs (with fractions for lines of training) and values; both empty if no line has the key.
    """
    lines = list(lines)
    length = max((line["iter"] for line in lines if line["mode"] == "train"), default=1)
    points = [
        (
            line["epoch"] - 1 + line["iter"] / length if line["mode"] == "train" else line["epoch"],
            number(line[key]),
        )
        for line in lines
        if key in line
    ]
    return [x for x, _ in points], [y for _, y in points]


def iteration_times(
    lines: Iterable[Line], include_outliers: bool = False
) -> dict[int, list[float]]:
    """Return the logged seconds per iteration of each epoch.

    Args:
        lines: See ``read_json_log``.
        include_outliers: Include the first line of an epoch, which measures the start of workers.
    """
    times: dict[int, list[float]] = defaultdict(list)
    for line in lines:
        if line["mode"] == "train" and "time" in line:
            times[line["epoch"]].append(float(line["time"]))
    if include_outliers:
        return dict(times)
    return {epoch: values[1:] or values for epoch, values in times.items()}


@dataclass(frozen=True)
class TrainingLog:
    """What a training logged, in the order of time.

    Attributes:
        train: Lines of mode ``train``.
        val: Lines of mode ``val``.
    """

    train: list[dict[str, Any]]
    val: list[dict[str, Any]]

    def train_curve(self, key: str = "loss") -> Curve:
        """Return a logged value over the epochs trained, fractions of an epoch included."""
        iters = max((line["iter"] for line in self.train), default=1)  # of an epoch
        return [
            (line["epoch"] - 1 + line["iter"] / iters, number(line[key]))
            for line in self.train
            if key in line
        ]

    def val_curve(self, key: str = "balanced_accuracy") -> Curve:
        """Return a validation metric over the epochs trained."""
        return [(float(line["epoch"]), number(line[key])) for line in self.val if key in line]

    def last_val(self, key: str = "balanced_accuracy", epochs: int | None = None) -> float:
        """Return the metric after the last epoch; nan if it was not measured then.

        Args:
            key: The name of the metric.
            epochs: Number of epochs of the training; None for the last epoch that has a line of
                training or validation.
        """
        lines = [line["epoch"] for line in (*self.train, *self.val)]
        last = max(lines, default=0) if epochs is None else epochs
        return dict(self.val_curve(key)).get(float(last), math.nan)

    def epochs_done(self) -> int:
        """Count the epochs known to be complete.

        A line gives the position in its epoch, not the length of epochs: that is known once a
        second epoch has begun. So the first epoch counts when the second has begun, the others at
        their last line, and the only epoch of a training of one epoch never counts.
        """
        last = max((line["epoch"] for line in self.train), default=1)
        whole = max((line["iter"] for line in self.train if line["epoch"] < last), default=math.inf)
        reached = max((line["iter"] for line in self.train if line["epoch"] == last), default=0)
        return last if reached >= whole else last - 1


def log_files(work_dir: Path) -> list[Path]:
    """Return the logs of a work directory, one for each start of the training, by name."""
    return sorted(work_dir.glob("*.log.json"))


def read_log(work_dir: Path, without: Collection[Path] = ()) -> TrainingLog:
    """Read all ``*.log.json`` of a work directory.

    Where a resumed run repeats iterations, its line counts. Lines cut off in the middle (a killed
    run) are ignored.

    Args:
        work_dir: The work directory of a training.
        without: Logs to ignore.
    """
    logs = [list(_lines(path)) for path in log_files(work_dir) if path not in without]
    line_by_key: dict[tuple[str, int, int], dict[str, Any]] = {}
    # By where they begin: a run resumes from a checkpoint of those before it. The names hold local
    # times, which run backwards when a clock is corrected or daylight saving ends.
    for log in sorted(filter(None, logs), key=_first_position):
        for line in log:
            # A validation has one line per epoch, whatever its ``iter``.
            key = (line["mode"], line["epoch"], 0 if line["mode"] == "val" else line["iter"])
            line_by_key[key] = line
    ordered = [line_by_key[key] for key in sorted(line_by_key)]
    return TrainingLog(
        train=[line for line in ordered if line["mode"] == "train"],
        val=[line for line in ordered if line["mode"] == "val"],
    )


def _is_line(line: Any) -> bool:
    """Return whether a line of JSON is one of training or validation."""
    places = [line.get(key) for key in ("epoch", "iter")] if isinstance(line, dict) else []
    return bool(places) and "mode" in line and all(type(place) is int for place in places)


def number(value: Any) -> float:
    """Return a logged value; JSON has null for nan."""
    return math.nan if value is None else float(value)


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the lines of training and validation; the first line of a log describes the run."""
    with open(path, encoding="utf-8", errors="replace") as file:
        for text in file:
            try:
                line = json.loads(text)
            except json.JSONDecodeError:  # cut off by a kill
                continue
            if _is_line(line):
                yield line


def _first_position(log: list[Line]) -> tuple[int, float]:
    """Return epoch and iteration of the first line; an epoch is validated after its training."""
    first = log[0]
    return first["epoch"], math.inf if first["mode"] == "val" else first["iter"]
