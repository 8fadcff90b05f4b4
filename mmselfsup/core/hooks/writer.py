"""Find TensorBoard among the hooks of a runner."""

from typing import Any


def tensorboard_writer(runner: Any) -> Any:
    """The ``SummaryWriter`` of the run, None where TensorBoard is not in use.

    There is one on the first rank, after the logger hook's ``before_run``.
    """
    writers = (getattr(hook, "writer", None) for hook in runner.hooks)
    return next((writer for writer in writers if hasattr(writer, "add_image")), None)
