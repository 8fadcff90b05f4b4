"""Detailed metrics of an evaluation, in files and in TensorBoard rather than in the log."""

import math
import os
from collections.abc import Mapping
from typing import Any

from mmselfsup.utils.files import atomic_write_json

from .writer import tensorboard_writer

FOLDER = "metrics"


def headline(metrics: Mapping[str, Any]) -> dict[str, Any]:
    """Return the metrics for a log line: those whose names have no slash."""
    return {name: value for name, value in metrics.items() if "/" not in name}


def keep_details(runner: Any, metrics: Mapping[str, Any], by_epoch: bool = True) -> None:
    """Write all metrics to a file, and those with a slash in the name to TensorBoard.

    The file is ``<work_dir>/metrics/epoch_<n>.json`` (or ``iter_<n>``, both from 1): ``epoch``,
    ``iter``, and ``metrics`` with a name ``a/b`` as ``{a: {b: ...}}`` and null for nan. The tags
    of TensorBoard begin with the number of classes: ``val_8_classes/per_class/MEL/auc``. Nothing
    is written if no name has a slash.

    Args:
        runner: The runner of the training.
        metrics: The metrics that ``evaluate`` returned.
        by_epoch: Whether the run counts epochs.
    """
    details = {name: value for name, value in metrics.items() if "/" in name}
    if not details:
        return
    from mmselfsup.metrics import nested

    writer = tensorboard_writer(runner)
    if writer is not None:
        classes = metrics.get("num_classes")
        start = "val" if classes is None else f"val_{classes:.0f}_classes"
        for name, value in details.items():
            if isinstance(value, int | float) and math.isfinite(value):
                writer.add_scalar(f"{start}/{name}", value, runner.iter)
    if not runner.work_dir:
        return
    epoch, iteration = runner.epoch + 1, runner.iter + 1
    unit = f"epoch_{epoch}" if by_epoch else f"iter_{iteration}"
    facts = {"epoch": epoch, "iter": iteration, "metrics": nested(finite(metrics))}
    atomic_write_json(os.path.join(runner.work_dir, FOLDER, f"{unit}.json"), facts)


def finite(metrics: Mapping[str, Any]) -> dict[str, Any]:
    """Return the metrics with None, JSON's null, in place of nan and infinity."""
    return {
        name: None if isinstance(value, float) and not math.isfinite(value) else value
        for name, value in metrics.items()
    }
