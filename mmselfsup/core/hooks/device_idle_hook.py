"""How long the device has nothing to do, measured without waiting for it."""

from __future__ import annotations

import time
from typing import Any

import torch
from mmcv.runner import HOOKS, Hook

from mmselfsup.utils.module import module_device


class Moment:
    """A moment at which the host is, on a device that computes when the host tells it to."""

    def __init__(self) -> None:
        self.at = time.perf_counter()

    def until(self, later: Moment) -> float:
        """Seconds."""
        return later.at - self.at


class Gap:
    """Seconds between two moments of a GPU's queue; a number that is read when it is needed.

    Reading waits for the second one. When a log line is written the losses behind it have been
    read, so it has long come.
    """

    def __init__(self, begin: torch.cuda.Event, end: torch.cuda.Event) -> None:
        self.begin, self.end = begin, end

    def __float__(self) -> float:
        self.end.synchronize()
        return self.begin.elapsed_time(self.end) / 1000


@HOOKS.register_module()
class DeviceIdleHook(Hook):  # type: ignore[misc]
    """Put ``idle_time``, the seconds of an iteration in which the device idles, into the log.

    The device works from when a batch is there (or, where the loader itself works on the device,
    from when it has what it needs) to the end of the step and of the hooks up to NORMAL priority:
    optimizer, moving averages, memories. What lies between two such spans is waiting for data, and
    hooks: checkpoints, log lines, pictures, hooks before an iteration.

    On a CPU that span counts by the clock. On a GPU an event is put into its queue at both
    ends: while it is behind the host, they meet and nothing counts as idle. Gaps within a step,
    when kernels are shorter than it takes to start them, are not seen.
    """

    #: Behind the hooks that work on the device (50), before checkpoints (70) and log (90).
    default_priority = "BELOW_NORMAL"

    def __init__(self) -> None:
        self._end: Any = None
        self._begin: Any = None

    def before_epoch(self, runner: Any) -> None:
        """What lies between epochs doesn't count, as for the time of an iteration."""
        self._on_gpu = module_device(runner.model).type == "cuda"
        self._begin, self._end = None, self._moment()

    def before_train_iter(self, runner: Any) -> None:
        """The batch is there: note how long the device had nothing to do."""
        listeners = getattr(runner.data_loader, "listeners", None)
        if listeners is not None and self.batch_arrived not in listeners:
            listeners.append(self.batch_arrived)
        begin = self._moment() if self._begin is None else self._begin
        self._begin = None
        idle = Gap(self._end, begin) if self._on_gpu else self._end.until(begin)
        runner.log_buffer.update({"idle_time": idle})

    def batch_arrived(self) -> None:
        """Called by a loader that works on the device, before it does."""
        self._begin = self._moment()

    def after_iter(self, runner: Any) -> None:
        """The step is told to the device."""
        self._end = self._moment()

    def _moment(self) -> Any:
        if not self._on_gpu:
            return Moment()
        event = torch.cuda.Event(enable_timing=True)
        event.record()
        return event
