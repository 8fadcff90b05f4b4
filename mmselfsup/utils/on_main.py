"""Let the first rank do a piece of work for all."""

from collections.abc import Callable
from typing import TypeVar

from . import dist
from .errors import SharedError, one_line

T = TypeVar("T")


def on_main(work: Callable[[], T]) -> T:
    """What ``work()`` gives on the first rank, on every rank; its error ends all of them.

    Without the latter the others would wait for the first one until the process group gives up.

    Args:
        work: gives something picklable; without collectives of its own.

    Raises:
        SharedError: on the other ranks, if ``work`` raised on the first; that keeps its own error.
    """
    value: T | None = None
    error: Exception | None = None
    if dist.is_main():
        try:
            value = work()
        except Exception as caught:
            error = caught
    message = one_line(error) if error else None
    value, message = dist.broadcast_object((value, message))
    if error is not None:
        raise error
    if message is not None:
        raise SharedError(message)
    return value  # type: ignore[return-value]
