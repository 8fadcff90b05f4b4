"""One look for every progress bar: what, how far, how fast, and the time left."""

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
    """A progress bar on stderr; silent on all ranks but the first.

    Where stderr is a file or a pipe the bar is written every ten seconds only, so that logs stay
    readable.

    Args:
        iterable: what to walk through; ``None`` for a bar that is moved by ``update()``.
        desc: what is going on, shown before the bar.
        total: number of steps, where it can't be read from ``iterable``.
        unit: name of a step.
        leave: keep the finished bar on the screen.
        **kwargs: further arguments of :class:`tqdm.tqdm`.
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
