"""Drawing of many photographs in several processes; an interrupted run can resume."""

import os
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from pathlib import Path

from mmselfsup.utils.errors import UserError

from .plan import Photo
from .worker import Order, draw_batch, set_up_process

_BATCH = 32  # photographs a process draws before it reports


def num_cores() -> int:
    """Return the number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def write_images(
    folder: Path, photos: list[Photo], size: int, seed: int, workers: int | None = None
) -> int:
    """Draw the photographs that aren't in ``folder`` yet; return their number.

    Args:
        folder: Folder of the files; created if it is missing.
        photos: Photographs to draw; the position in the list is the photograph's number.
        size: Short side in pixels.
        seed: Seed of all random numbers.
        workers: Number of processes; ``None`` for one per core, 1 draws in this process.

    Returns:
        The number of photographs drawn.

    Raises:
        UserError: The folder can't be written, or a process was killed.
    """
    from mmselfsup.utils.progress import progress  # loads torch: after the checks

    orders = [
        Order(str(folder / f"{photo.image}.jpg"), photo.label, photo.lesion, number)
        for number, photo in enumerate(photos)
    ]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # Temporary files of a run that was killed; their photographs are drawn again.
        for left_over in folder.glob(".*.tmp"):
            left_over.unlink()
        present = set(os.listdir(folder))
        todo = [order for order in orders if os.path.basename(order.path) not in present]
        with progress(desc="demo images", total=len(orders), unit="img") as bar:
            bar.update(len(orders) - len(todo))
            _draw(todo, size, seed, num_cores() if workers is None else workers, bar.update)
    except OSError as error:
        raise UserError(f"can't write to {folder}: {error.strerror or error}") from error
    except BrokenProcessPool as error:
        raise UserError(
            f"a process that draws into {folder} was killed (out of memory?); run again to resume"
        ) from error
    return len(todo)


def _draw(
    orders: list[Order], size: int, seed: int, workers: int, report: Callable[[int], object]
) -> None:
    """Draw photographs in batches, in this process or in several; report each batch."""
    batches = [orders[start : start + _BATCH] for start in range(0, len(orders), _BATCH)]
    workers = min(workers, len(batches))
    if workers <= 1:
        for batch in batches:
            report(draw_batch(batch, size, seed))
        return
    # Spawned, not forked: OpenCV's threads do not survive a fork.
    with ProcessPoolExecutor(workers, get_context("spawn"), set_up_process) as pool:
        jobs = [pool.submit(draw_batch, batch, size, seed) for batch in batches]
        try:
            for job in as_completed(jobs):
                report(job.result())
        except BaseException:
            pool.shutdown(cancel_futures=True)  # else Ctrl-C would wait for all batches
            raise
