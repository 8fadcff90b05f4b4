"""The number of the epoch, passed to all parts of a loader."""

from typing import Any


def set_epoch(loader: Any, epoch: int) -> None:
    """Call ``set_epoch(epoch)`` of the loader, its samplers and its data set, where they have it.

    Args:
        loader: A ``DataLoader`` or a wrapper of one.
        epoch: Number of the epoch, 0-based.
    """
    batch_sampler = getattr(loader, "batch_sampler", None)
    parts = (
        loader,
        getattr(loader, "sampler", None),
        batch_sampler,
        getattr(batch_sampler, "sampler", None),
        getattr(loader, "dataset", None),
    )
    # A part can appear twice (a batch sampler's sampler is often the loader's): call it once.
    notified: list[Any] = []
    for part in parts:
        method = getattr(part, "set_epoch", None)
        if callable(method) and not any(part is other for other in notified):
            method(epoch)
            notified.append(part)
