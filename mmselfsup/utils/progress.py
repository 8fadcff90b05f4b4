"""Progress bars, all with the same layout: task, progress, speed, and the time left."""

import sys
from collections.abc import Iterable
from typing import Any

from tqdm import tqdm

from .dist import is_main

_SLOW_REFRESH_S = 10.0
_FAST_REFRESH_S = 0.2


def progress(
    iterable: Iterable[Any] | None = None,
    *,
    desc: str,
    total: int | None = None,
    unit: str = "it",
    leave: bool = True,
    **kwargs: Any,
) -> tqdm:
    """Return a progress bar on stderr; silent on all ranks but the first.

    Where stderr is a file or a pipe the bar is written every ten seconds only, so that logs stay
    readable.

    Args:
        iterable: Items to iterate over; ``None`` for a bar that is moved by ``update()``.
        desc: Name of the task, shown before the bar.
        total: Number of steps, where ``iterable`` has no length.
        unit: Name of a step.
        leave: Keep the finished bar on the screen.
        **kwargs: Further arguments of ``tqdm.tqdm``.
    """
    interval = _FAST_REFRESH_S if sys.stderr.isatty() else _SLOW_REFRESH_S
    return tqdm(
        iterable,
        desc=desc,
        total=total,
        unit=unit,
        leave=leave,
        disable=not is_main(),
        mininterval=interval,
        maxinterval=interval,
        dynamic_ncols=True,
        **kwargs,
    )
