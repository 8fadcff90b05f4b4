"""Hooks that log: throughput and memory, the text and JSON lines, a progress bar.

Other hooks reach the loggers of a run by ``tensorboard_writer`` and ``log_apart``.
"""

import math
import resource
import sys
import time
from collections.abc import Mapping
from contextlib import ExitStack
from datetime import timedelta
from functools import partial
from typing import Any

import torch
from mmcv.runner import HOOKS, Hook, LogBuffer, LoggerHook
from mmcv.runner import TensorboardLoggerHook as MMCVTensorboardLoggerHook
from mmcv.runner import TextLoggerHook as MMCVTextLoggerHook
from tqdm.contrib.logging import logging_redirect_tqdm

from mmselfsup.metrics import is_fact
from mmselfsup.utils.device import num_gpus
from mmselfsup.utils.dist import is_main
from mmselfsup.utils.errors import one_line
from mmselfsup.utils.logger import log_path
from mmselfsup.utils.progress import progress

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
        self._num_samples: list[int] = []  # of this process, in the steps that are averaged

    def before_epoch(self, runner: Any) -> None:
        """Begin the averages anew."""
        super().before_epoch(runner)
        self._num_samples.clear()

    def after_train_iter(self, runner: Any) -> None:
        """Note the size of the batch, which is smaller at the end of an epoch, and log if due."""
        self._num_samples.append(runner.outputs.get("num_samples", 0))
        del self._num_samples[: -self.interval]  # mmcv averages over the last ones, too
        super().after_train_iter(runner)

    def log(self, runner: Any) -> None:
        """Add the numbers to the output of the log buffer."""
        output = runner.log_buffer.output
        time, idle = output.get("time"), output.get("idle_time")
        if runner.mode != "train" or not time:
            return
        num_images = sum(self._num_samples) / len(self._num_samples) * runner.world_size
        output["images_per_s"] = num_images / time
        output["data_share"] = output.get("data_time", 0.0) / time
        if idle is not None:
            output["idle_share"] = min(idle / time, 1.0)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        output["cpu_memory"] = peak * _RSS_UNIT / _MIB
        if num_gpus():
            output["gpu_memory"] = torch.cuda.max_memory_allocated() / _MIB


@HOOKS.register_module(force=True)
class TextLoggerHook(MMCVTextLoggerHook):  # type: ignore[misc]
    """mmcv's hook with six significant digits and null for nan in the JSON file.

    mmcv rounds to five decimals: a learning rate of 1e-6 would become 0. It writes a bare ``NaN``,
    which is no JSON. Where the file can't be written any more (the disk is full), the training
    continues, and one line says so.
    """

    _broken = False

    def _round_float(self, items: Any) -> Any:
        if isinstance(items, list):
            return [self._round_float(item) for item in items]
        if isinstance(items, float):
            return float(f"{items:.6g}") if math.isfinite(items) else None
        return items

    def _dump_log(self, log_dict: dict[str, Any], runner: Any) -> None:
        try:
            super()._dump_log(log_dict, runner)
        except OSError as error:
            if not self._broken:
                runner.logger.error(
                    "can't write %s (%s); the training continues; lines are missing there",
                    self.json_log_path, error.strerror,
                )  # fmt: skip
            self._broken = True

    def _log_info(self, log_dict: dict[str, Any], runner: Any) -> None:
        # mmcv prints the GPU's memory itself, as "memory"; ``idle_share`` covers the idle time.
        left_out = ("gpu_memory", "idle_time")
        meta, runner.meta = runner.meta, None  # no line with the name of the config each epoch
        try:
            shown = {k: v for k, v in log_dict.items() if k not in left_out and not is_fact(k)}
            super()._log_info(shown, runner)
        finally:
            runner.meta = meta


class SafeWriter:
    """A ``SummaryWriter`` that is given up, with one line, at the first error of its file.

    Args:
        writer: The writer; None for one that is given up from the start.
        logger: Logger of the run.
    """

    def __init__(self, writer: Any, logger: Any) -> None:
        self._writer, self._logger = writer, logger
        self._given_up = writer is None

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):  # copies and pickles ask before there is a writer
            raise AttributeError(name)
        if self._given_up:
            return self._call
        value = getattr(self._writer, name)
        return partial(self._call, value) if callable(value) else value

    def _call(self, method: Any = None, *args: Any, **kwargs: Any) -> Any:
        if self._given_up:
            return None
        try:
            return method(*args, **kwargs)
        # OSError: a full disk; the others: its thread has ended, or its file is closed.
        except (OSError, RuntimeError, ValueError) as error:
            self._given_up = True
            self._logger.error(
                "TensorBoard is given up: %s; the training continues",
                one_line(error) or type(error),
            )
            return None


@HOOKS.register_module(force=True)
class TensorboardLoggerHook(MMCVTensorboardLoggerHook):  # type: ignore[misc]
    """mmcv's hook that lets the training go on where its file can't be written."""

    def before_run(self, runner: Any) -> None:
        """Open the writer on the first rank."""
        try:
            super().before_run(runner)
        except OSError as error:
            runner.logger.error(
                "TensorBoard is given up: %s; the training continues", one_line(error)
            )
            self.writer = SafeWriter(None, runner.logger)
        else:
            if is_main():
                self.writer = SafeWriter(self.writer, runner.logger)


@HOOKS.register_module()
class ProgressBarHook(Hook):  # type: ignore[misc]
    """A bar for the iterations of an epoch (of the training, where the runner counts iterations).

    Behind it stand the loss and the images per second of the last log line, the time left of the
    whole training, and the file of the log. It is shown on the first rank and only if stderr is a
    terminal; a file gets the log lines alone. The numbers are read when a log line is about to be
    written, so nothing waits for the device. Register the hook before the loggers, which clear
    their numbers, and after ``LogStatsHook``.
    """

    def __init__(self) -> None:
        self.bar: Any = None
        self._open = ExitStack()
        self._start = (0.0, 0)  # seconds, iterations
        self._numbers = ""

    def before_run(self, runner: Any) -> None:
        """Open the bar; log lines are printed above it."""
        if not (is_main() and sys.stderr.isatty()):
            return
        self._start = (time.monotonic(), runner.iter)
        self._open.enter_context(logging_redirect_tqdm([runner.logger]))
        done = 0 if runner.max_epochs else runner.iter
        self.bar = self._open.enter_context(
            progress(desc="training", total=runner.max_iters, initial=done)
        )

    def before_train_epoch(self, runner: Any) -> None:
        """Begin the bar of an epoch; a resumed one begins where it was stopped."""
        if self.bar is not None:
            length = len(runner.data_loader)
            self.bar.reset(total=length)
            self.bar.set_description_str(
                f"epoch {runner.epoch + 1} of {runner.max_epochs}", refresh=False
            )
            self.bar.update(runner.iter - runner.epoch * length)

    def after_train_iter(self, runner: Any) -> None:
        """Move the bar."""
        if self.bar is None:
            return
        output = runner.log_buffer.output
        if "loss" in output:
            self._numbers = f"loss {output['loss']:.4g}"
            if "images_per_s" in output:
                self._numbers += f", {output['images_per_s']:.4g} images/s"
        parts = [self._numbers, f"{self._left(runner)} left", f"log {log_path()}"]
        self.bar.set_postfix_str(", ".join(filter(None, parts)), refresh=False)
        self.bar.update()

    def _left(self, runner: Any) -> str:
        """Return the time left of the training, at the mean speed of this run."""
        seconds, first = self._start
        done = runner.iter + 1
        pace = (time.monotonic() - seconds) / (done - first)
        return str(timedelta(seconds=round(pace * max(runner.max_iters - done, 0))))

    def after_run(self, runner: Any) -> None:
        """Close the bar."""
        self._open.close()
        self.bar = None


def tensorboard_writer(runner: Any) -> Any:
    """Return the ``SummaryWriter`` of the run; None where TensorBoard is not in use.

    Only the first rank has one, after the logger hook's ``before_run``.
    """
    writers = (getattr(hook, "writer", None) for hook in runner.hooks)
    return next((writer for writer in writers if hasattr(writer, "add_image")), None)


def log_apart(runner: Any, numbers: Mapping[str, float]) -> None:
    """Let every logger write a separate line for these numbers, as for an evaluation.

    What the log buffer holds of the training stays for the next line of the training. Within
    ``runner.as_at_start()`` the line is that of epoch 0 and iteration 0.
    """
    gathered, runner.log_buffer = runner.log_buffer, LogBuffer()
    runner.log_buffer.output.update(numbers)
    try:
        for hook in runner.hooks:
            if isinstance(hook, LoggerHook):
                hook.log(runner)
    finally:
        runner.log_buffer = gathered
