"""Progress bars, all with the same layout: task, progress, speed, and the time left.

A function run over many files in several processes, with a bar and a clean stop.
"""

import os
import signal
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import Any, TypeVar

from tqdm import tqdm

from .errors import UserError
from .parent import end_with_parent

_SLOW_REFRESH_S = 10.0
_FAST_REFRESH_S = 0.2
_Item = TypeVar("_Item")
_Result = TypeVar("_Result")
_CHUNK = 8  # items sent to a process at a time: sending each alone costs more than a small image


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
        disable=not _informs_the_user(),
        mininterval=interval,
        maxinterval=interval,
        dynamic_ncols=True,
        **kwargs,
    )


def run_parallel(
    function: Callable[[_Item], _Result],
    items: Sequence[_Item],
    workers: int,
    desc: str,
    unit: str = "image",
) -> Iterator[_Result]:
    """Yield ``function(item)`` for every item, in the order of the items.

    When the loop over the results is left (Ctrl-C, an error), running items are finished and the
    rest is cancelled.

    Args:
        function: Picklable, as are items and results, if ``workers`` > 1.
        items: Items to work on.
        workers: Number of processes; 0 or 1 works in this one.
        desc: Name of the progress bar.
        unit: Name of an item in the bar.

    Raises:
        UserError: ``workers`` is negative.
    """
    if workers < 0:
        raise UserError(f"the number of workers must be 0 or more, got {workers}")
    if not items:
        return
    if workers <= 1:
        yield from progress(map(function, items), desc=desc, total=len(items), unit=unit)
        return
    pool = ProcessPoolExecutor(
        min(workers, len(items)), initializer=_start_worker, initargs=(os.getpid(),)
    )
    try:
        results = pool.map(function, items, chunksize=_CHUNK)
        yield from progress(results, desc=desc, total=len(items), unit=unit)
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _start_worker(parent: int) -> None:
    """Leave Ctrl-C to the parent, end with it, and keep one worker on one core."""
    import cv2  # a study shows progress without it

    end_with_parent(parent)  # a pool's workers wait for work, and never learn that it was killed
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    cv2.setNumThreads(0)


def _informs_the_user() -> bool:
    """Return whether this process is the first rank, without loading torch for the answer."""
    if "torch" not in sys.modules:  # then there is no process group
        return True
    from .dist import is_main

    return is_main()
