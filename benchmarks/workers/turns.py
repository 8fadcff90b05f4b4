"""A training by our runner, an epoch for each ``go`` of the driver: its hook and its options."""

import time
from collections.abc import Mapping
from typing import Any

from mmcv.runner import HOOKS, Hook
from serve import cpu_seconds, next_go, send


@HOOKS.register_module()
class Turns(Hook):  # type: ignore[misc]
    """A hook that waits for its turn before an epoch, and sends how long the epoch took."""

    def before_train_epoch(self, runner: Any) -> None:
        next_go()
        self.start = time.perf_counter(), cpu_seconds()

    def after_train_epoch(self, runner: Any) -> None:
        wall, cpu = time.perf_counter() - self.start[0], cpu_seconds() - self.start[1]
        send({"wall": wall, "cpu": cpu})


def options_of(wanted: Mapping[str, Any], work_dir: str, cache: bool) -> dict[str, Any]:
    """Return the overrides of the config of such a training.

    Args:
        wanted: Settings of the worker.
        work_dir: Folder with the list ``train.txt``.
        cache: Whether images are decoded once.
    """
    options = {
        "data.train.data_source.data_prefix": wanted["folder"],
        "data.train.data_source.ann_file": f"{work_dir}/train.txt",
        "data.samples_per_gpu": wanted["batch"],
        "data.workers_per_gpu": wanted["workers"],
        "runner.max_epochs": wanted["epochs"],
        "seed": 0,
        "channels_last": True,
        "amp": {"dtype": "auto"},
        "checkpoint_config.interval": 10**6,
        "work_dir": work_dir,
    }
    if cache:
        options["data.train.data_source.cache"] = {"dir": f"{work_dir}/cache", "short_side": None}
    return options
