"""The module inside a wrapper, its device, its modes, and its weights on all ranks.

The number of the epoch, passed to all parts of a loader; the batches from a given one on.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import islice
from typing import Any

import torch
from torch import nn
from torch.utils.data import BatchSampler

from . import dist
from .sharding import is_part


def unwrap(model: nn.Module) -> nn.Module:
    """Return the module inside ``DistributedDataParallel`` (or a wrapper with ``.module``)."""
    inner = getattr(model, "module", model)
    return inner if isinstance(inner, nn.Module) else model


def with_counts(model: nn.Module, batch: Any) -> Any:
    """Return a batch on the host with what ``BaseModel.count_on_host`` counts in it.

    Batches of other models, and those whose ``img`` is no list (one tensor, or a ``DataContainer``
    of mmcv), are returned as they are.
    """
    count = getattr(model, "count_on_host", None)
    img = batch.get("img") if isinstance(batch, Mapping) else None
    if count is None or not isinstance(img, list | tuple):
        return batch
    return {**batch, **count(img)}


def module_device(model: nn.Module) -> torch.device:
    """Return the device of the first parameter or buffer; the CPU for a module without any."""
    for tensor in (*model.parameters(), *model.buffers()):
        return tensor.device
    return torch.device("cpu")


@contextmanager
def in_eval_mode(module: nn.Module) -> Iterator[None]:
    """Put a module into eval mode for a block; afterwards each of its parts has its mode again.

    ``module.train()`` alone would not do: a part may be in eval mode on purpose, such as a backbone
    that a hook freezes for some epochs.
    """
    modes = {part: part.training for part in module.modules()}
    module.eval()
    try:
        yield
    finally:
        module.train(modes[module])  # parts may do more than set a flag, such as LoRA of loralib
        for part, training in modes.items():
            part.training = training


@torch.no_grad()
def share_weights(model: nn.Module) -> None:
    """Copy the parameters and buffers of the first rank to all ranks; a collective.

    Sharded parameters stay: each rank has its own part.
    """
    for tensor in (*model.parameters(), *model.buffers()):
        if dist.get_world_size() > 1 and not is_part(tensor):
            tensor.copy_(dist.broadcast(tensor))


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


def batches_from(loader: Any, start: int) -> Iterator[Any]:
    """Yield the batches of a pass from number ``start`` on.

    Where the sampler can skip indices (``skip_next``), the images of the batches before are never
    read; they have random numbers of their own, so the others are the same.

    Args:
        loader: A ``DataLoader`` or a wrapper of one.
        start: Number of batches to leave out.
    """
    sampler, batch_sampler = (getattr(loader, n, None) for n in ("sampler", "batch_sampler"))
    skip = getattr(sampler, "skip_next", None)
    # Another batch sampler may leave indices out or draw some twice.
    if not start or skip is None or type(batch_sampler) is not BatchSampler:
        yield from islice(loader, start, None)
        return
    skip(start * batch_sampler.batch_size)
    yield from loader
