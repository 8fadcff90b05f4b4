"""The weights of an evaluation: those of the training, unless a hook provides others."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any


@contextmanager
def with_evaluation_weights(runner: Any) -> Iterator[None]:
    """Enter ``evaluation_weights(runner)`` of every hook that has it, for one block."""
    hooks = [hook for hook in runner.hooks if hasattr(hook, "evaluation_weights")]
    with ExitStack() as stack:
        for hook in hooks:
            stack.enter_context(hook.evaluation_weights(runner))
        yield
