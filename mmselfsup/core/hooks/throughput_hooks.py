"""The idle time of the device, measured without waiting for it."""

from __future__ import annotations

import time
from typing import Any

import torch
from mmcv.runner import HOOKS, Hook

from mmselfsup.utils.module import module_device


class Moment:
    """A point in time of the host, for a device that works synchronously with it (the CPU)."""

    def __init__(self) -> None:
        self.at = time.perf_counter()

    def until(self, later: Moment) -> float:
        """Return the seconds between the two."""
        return later.at - self.at


class Gap:
    """The seconds between two events in a GPU's queue, read when the number is needed.

    Reading waits for the second event. When a log line is written, the losses of later work have
    already been read, so the event has long been reached.
    """

    def __init__(self, begin: torch.cuda.Event, end: torch.cuda.Event) -> None:
        self.begin, self.end = begin, end

    def __float__(self) -> float:
        self.end.synchronize()
        return self.begin.elapsed_time(self.end) / 1000


@HOOKS.register_module()
class DeviceIdleHook(Hook):  # type: ignore[misc]
    """A hook that logs ``idle_time``, the seconds of an iteration in which the device idles.

    The device is busy from the arrival of a batch (or, where the loader itself works on the device,
    of the data for it) to the end of the step and of the hooks up to NORMAL priority: optimizer,
    moving averages, memory banks. Between two such spans the device waits for data and for hooks:
    checkpoints, log lines, pictures, hooks before an iteration.

    On a CPU the clock measures these gaps. On a GPU an event is put into its queue at both ends:
    while the GPU lags behind the host, the events coincide and nothing counts as idle. Gaps within
    a step, when kernels are shorter than it takes to launch them, are not measured.
    """

    #: After the hooks that work on the device (50), before checkpoints (70) and log (90).
    default_priority = "BELOW_NORMAL"

    def __init__(self) -> None:
        self._end: Any = None
        self._begin: Any = None

    def before_epoch(self, runner: Any) -> None:
        """Restart the measurement: time between epochs doesn't count, as in mmcv's timer."""
        self._on_gpu = module_device(runner.model).type == "cuda"
        self._begin, self._end = None, self._moment()

    def before_train_iter(self, runner: Any) -> None:
        """Log how long the device had nothing to do until this batch arrived."""
        listeners = getattr(runner.data_loader, "listeners", None)
        if listeners is not None and self.batch_arrived not in listeners:
            listeners.append(self.batch_arrived)
        begin = self._moment() if self._begin is None else self._begin
        self._begin = None
        idle = Gap(self._end, begin) if self._on_gpu else self._end.until(begin)
        runner.log_buffer.update({"idle_time": idle})

    def batch_arrived(self) -> None:
        """Note the time; a loader that works on the device calls this before its work."""
        self._begin = self._moment()

    def after_iter(self, runner: Any) -> None:
        """Note the end of the work of an iteration."""
        self._end = self._moment()

    def _moment(self) -> Any:
        if not self._on_gpu:
            return Moment()
        event = torch.cuda.Event(enable_timing=True)
        event.record()
        return event
