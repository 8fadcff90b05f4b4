"""Access to the loggers among the hooks of a runner."""

from collections.abc import Mapping
from typing import Any

from mmcv.runner import LogBuffer, LoggerHook


def tensorboard_writer(runner: Any) -> Any:
    """Return the ``SummaryWriter`` of the run; None where TensorBoard is not in use.

    Only the first rank has one, after the logger hook's ``before_run``.
    """
    writers = (getattr(hook, "writer", None) for hook in runner.hooks)
    return next((writer for writer in writers if hasattr(writer, "add_image")), None)


def log_apart(runner: Any, numbers: Mapping[str, float]) -> None:
    """Let every logger write a separate line for these numbers, as for an evaluation.

    What the log buffer holds of the training stays for the next line of the training.
    """
    gathered, runner.log_buffer = runner.log_buffer, LogBuffer()
    runner.log_buffer.output.update(numbers)
    try:
        for hook in runner.hooks:
            if isinstance(hook, LoggerHook):
                hook.log(runner)
    finally:
        runner.log_buffer = gathered
