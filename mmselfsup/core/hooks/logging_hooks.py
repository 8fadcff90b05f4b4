"""Throughput, waiting time and memory for every logger."""

import resource
import sys
from typing import Any

import torch
from mmcv.runner import HOOKS, LoggerHook

from mmselfsup.utils.device import num_gpus

# getrusage counts in KiB on Linux and in bytes on macOS.
_RSS_UNIT = 1 if sys.platform == "darwin" else 1024
_MIB = 1024**2


@HOOKS.register_module()
class LogStatsHook(LoggerHook):  # type: ignore[misc]
    """A hook that computes numbers of a log line before the loggers write it.

    It adds to what the loggers get:

    - ``images_per_s``: images of all ranks per second (an image counts once, with all its views);
    - ``data_share``: fraction of the time spent waiting for data, 0..1;
    - ``idle_share``: fraction of the time in which the device had nothing to do, 0..1, see
      ``DeviceIdleHook``; waiting for data is part of it, unless the loader works on the device;
    - ``cpu_memory``: peak memory of this process in MiB;
    - ``gpu_memory``: peak memory of tensors on the GPU in MiB, if the machine has one.

    Register it before the loggers, with their interval: it is a logger itself, so that the averages
    have been computed when it is called.

    Args:
        interval: Iterations from one log line to the next.
        **kwargs: See mmcv's ``LoggerHook``.
    """

    def __init__(self, interval: int = 10, **kwargs: Any) -> None:
        super().__init__(interval, **kwargs)

    def log(self, runner: Any) -> None:
        """Add the numbers to the output of the log buffer."""
        output = runner.log_buffer.output
        time, idle = output.get("time"), output.get("idle_time")
        if runner.mode != "train" or not time:
            return
        num_images = runner.outputs.get("num_samples", 0) * runner.world_size
        output["images_per_s"] = num_images / time
        output["data_share"] = output.get("data_time", 0.0) / time
        if idle is not None:
            output["idle_share"] = min(idle / time, 1.0)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        output["cpu_memory"] = peak * _RSS_UNIT / _MIB
        if num_gpus():
            output["gpu_memory"] = torch.cuda.max_memory_allocated() / _MIB
