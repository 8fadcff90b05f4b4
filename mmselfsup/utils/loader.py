"""Tell everything behind a loader which epoch begins."""

from typing import Any


def set_epoch(loader: Any, epoch: int) -> None:
    """Call ``set_epoch(epoch)`` of the loader, its samplers and its data set, where they have it.

    Args:
        loader: a ``DataLoader`` or a wrapper of one.
        epoch: number of the epoch, 0-based.
    """
    batch_sampler = getattr(loader, "batch_sampler", None)
    parts = (
        loader,
        getattr(loader, "sampler", None),
        batch_sampler,
        getattr(batch_sampler, "sampler", None),
        getattr(loader, "dataset", None),
    )
    told: list[Any] = []
    for part in parts:
        tell = getattr(part, "set_epoch", None)
        if callable(tell) and not any(part is other for other in told):
            tell(epoch)
            told.append(part)
