"""Hooks about the speed of a run: the idle time of the device, and advice on settings.

Nothing here waits for the device: on a GPU, the idle time lies between two events in its queue.
"""

from __future__ import annotations

import time
from typing import Any

import torch
from mmcv.runner import HOOKS, Hook

from mmselfsup.models.utils.narrow_conv import unsafe_in_channels_last
from mmselfsup.utils.cpus import available_cores
from mmselfsup.utils.device import num_gpus
from mmselfsup.utils.dist import is_main
from mmselfsup.utils.module import module_device, unwrap

#: Fraction of the time spent waiting for data above which the loader is the bottleneck.
DATA_BOUND = 0.1
_WARM_UP = 2  # iterations that start workers, choose kernels and compile


@HOOKS.register_module()
class DeviceIdleHook(Hook):  # type: ignore[misc]
    """A hook that logs ``idle_time``, the seconds of an iteration in which the device idles.

    The device is busy from the arrival of a batch (or, where the loader itself works on the device,
    of the data for it) to the end of the step and of the hooks up to NORMAL priority: optimizer,
    moving averages, memory banks. Between two such spans the device waits for data and for hooks:
    checkpoints, log lines, pictures, hooks before an iteration.

    On a CPU the clock measures these gaps. On a GPU an event is put into its queue at both ends:
    while the GPU lags behind the host, the events coincide and nothing counts as idle. A loader
    that works on the device does so in a side stream, beside the step: where that has begun before
    the end of the step, nothing was idle. Gaps within a step, when kernels are shorter than it
    takes to launch them, are not measured.
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
        # Below 0 where the side stream began its work before the step had ended.
        return max(self.begin.elapsed_time(self.end) / 1000, 0.0)


@HOOKS.register_module()
class SpeedAdviceHook(Hook):  # type: ignore[misc]
    """A log line after the iterations of one epoch: images/s, what limits them, and what to try.

    Only settings that are not in use are named. Epochs of up to two iterations give no line.
    """

    def before_run(self, runner: Any) -> None:
        """Reset the counters."""
        self._seen, self._images, self._waited = 0, 0, 0.0

    def before_train_iter(self, runner: Any) -> None:
        """Add the time that the step waited for this batch."""
        if self._seen == _WARM_UP:
            self._begin = self._end
        if self._seen >= _WARM_UP:
            self._waited += time.perf_counter() - self._end

    def after_train_iter(self, runner: Any) -> None:
        """Count the images; after as many iterations as an epoch has, log the advice."""
        self._end = time.perf_counter()
        self._seen += 1
        if self._seen <= _WARM_UP:
            return
        self._images += runner.outputs.get("num_samples", 0) * runner.world_size
        if self._seen == len(runner.data_loader) and is_main():
            spent = self._end - self._begin
            runner.logger.info(advice(runner, self._images / spent, self._waited / spent))


def advice(runner: Any, images_per_s: float, waited: float) -> str:
    """Return the line for the log.

    Args:
        runner: The runner whose model and loader are checked for settings that are not in use.
        images_per_s: Images of all ranks per second.
        waited: Fraction of the time spent waiting for data, 0 to 1.
    """
    start = f"speed: {images_per_s:.1f} images/s, {waited:.0%} of the time waiting for data"
    if waited > DATA_BOUND:
        return f"{start}; the data limit it: try {' and '.join(_data_settings(runner))}"
    unused = _model_settings(unwrap(runner.model))
    hint = f": try {', '.join(unused)}" if unused else ""
    return f"{start}; the model limits it{hint}"


def _data_settings(runner: Any) -> list[str]:
    """Return the unused settings that would make the data faster."""
    loader = runner.data_loader
    workers, cores = getattr(loader, "num_workers", 0), available_cores()
    settings = []
    dataset = getattr(loader, "dataset", None)
    pipelines = getattr(dataset, "batched_pipelines", ())  # () where the data set has none
    if pipelines and not num_gpus():
        settings.append("device_transforms=False in the data set (it is for GPUs)")
    source = getattr(dataset, "data_source", None)
    if source is not None and getattr(source, "cache", None) is None:
        settings.append("cache=dict(dir=..., short_side=256) in the data source")
    if pipelines is None and num_gpus():
        settings.append("device_transforms=True in the data set")
    if workers < cores:
        settings.append(f"a data.workers_per_gpu above {workers} ({cores} cores here)")
    return settings or ["smaller images (cache.short_side)"]


def _model_settings(model: Any) -> list[str]:
    """Return the unused settings that would make the model faster."""
    modules, params = list(model.modules()), list(model.parameters())
    # Weights [O, I, kH, kW] with I, kH or kW of 1 can be contiguous in both layouts: left out.
    layout = torch.channels_last
    last = any(p.dim() == 4 and min(p.shape[1:]) > 1 for p in params) and not any(
        p.dim() == 4 and min(p.shape[1:]) > 1 and p.is_contiguous(memory_format=layout)
        for p in params
    )
    last = last and not unsafe_in_channels_last(model, params[0].device)
    half = getattr(model, "fp16_enabled", False) or getattr(model, "amp_dtype", None) is not None
    compiled = any(getattr(module, "_compiled_call_impl", None) is not None for module in modules)
    unused = {"amp=dict(dtype='auto')": not half, "channels_last=True": last}
    return [name for name, free in {**unused, "compile=True": not compiled}.items() if free]
