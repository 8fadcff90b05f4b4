"""The module inside a wrapper, and the device of a module.

The number of the epoch, passed to all parts of a loader.
"""

from typing import Any

import torch
from torch import nn


def unwrap(model: nn.Module) -> nn.Module:
    """Return the module inside ``DistributedDataParallel`` (or a wrapper with ``.module``)."""
    inner = getattr(model, "module", model)
    return inner if isinstance(inner, nn.Module) else model


def module_device(model: nn.Module) -> torch.device:
    """Return the device of the first parameter or buffer; the CPU for a module without any."""
    for tensor in (*model.parameters(), *model.buffers()):
        return tensor.device
    return torch.device("cpu")


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
