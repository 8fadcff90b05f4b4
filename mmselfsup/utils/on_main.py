"""Work of the first rank for all ranks."""

from collections.abc import Callable
from typing import TypeVar

from . import dist
from .errors import SharedError, one_line

T = TypeVar("T")


def on_main(work: Callable[[], T]) -> T:
    """Return the result of ``work()`` on the first rank to every rank; an error ends all ranks.

    Otherwise the other ranks would wait for the first one until the process group times out.

    Args:
        work: Function that returns a picklable object and calls no collectives.

    Raises:
        SharedError: ``work`` raised on the first rank, which raises the original error; the others
            raise this one.
    """
    value: T | None = None
    error: Exception | None = None
    if dist.is_main():
        try:
            value = work()
        except Exception as caught:
            # Not raised before the broadcast, for which the other ranks wait.
            error = caught
    message = one_line(error) if error else None
    value, message = dist.broadcast_object((value, message))
    if error is not None:
        raise error
    if message is not None:
        raise SharedError(message)
    return value  # type: ignore[return-value]
