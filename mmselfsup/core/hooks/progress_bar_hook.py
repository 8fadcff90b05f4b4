"""A progress bar over the whole training."""

import sys
from contextlib import ExitStack
from typing import Any

from mmcv.runner import HOOKS, Hook
from tqdm.contrib.logging import logging_redirect_tqdm

from mmselfsup.utils.dist import is_main
from mmselfsup.utils.progress import progress


@HOOKS.register_module()
class ProgressBarHook(Hook):  # type: ignore[misc]
    """A bar with the progress of the training, the time left, and the loss of the last log line.

    It is shown on the first rank and only if stderr is a terminal; a file gets the log lines alone.
    The loss is read when a log line is about to be written, so nothing waits for the device.
    Register the hook before the loggers, which clear their numbers, and after ``LogStatsHook``.
    """

    def __init__(self) -> None:
        self.bar: Any = None
        self._open = ExitStack()

    def before_run(self, runner: Any) -> None:
        """Open the bar; log lines are printed above it."""
        if not (is_main() and sys.stderr.isatty()):
            return
        self._open.enter_context(logging_redirect_tqdm([runner.logger]))
        self.bar = self._open.enter_context(
            progress(desc="training", total=runner.max_iters, initial=runner.iter)
        )

    def after_train_iter(self, runner: Any) -> None:
        """Move the bar."""
        if self.bar is None:
            return
        loss = runner.log_buffer.output.get("loss")
        if loss is not None:
            epoch = f"epoch {runner.epoch + 1}, " if runner.max_epochs else ""
            self.bar.set_postfix_str(f"{epoch}loss {loss:.4g}", refresh=False)
        self.bar.update()

    def after_run(self, runner: Any) -> None:
        """Close the bar."""
        self._open.close()
        self.bar = None
