"""The JSON lines that a training run writes beside its text log."""

import json
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from .errors import UserError

Line = dict[str, Any]


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
        if isinstance(line, dict) and {"mode", "epoch", "iter"} <= line.keys():
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
            float(line[key]),
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
