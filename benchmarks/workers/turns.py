"""A hook of our runner that trains an epoch for each ``go`` of the driver."""

import time
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
