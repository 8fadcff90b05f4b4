"""Running statistics of batch normalisation on several ranks.

Without ``SyncBN`` each rank has statistics of its own images. A checkpoint holds those of the first
rank, so they are the ones that every rank evaluates with.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from . import dist


def running_statistics(model: nn.Module) -> list[Tensor]:
    """Return the running means and variances of all batch-norm layers."""
    layers = [m for m in model.modules() if isinstance(m, _BatchNorm) and m.track_running_stats]
    buffers = [buffer for layer in layers for buffer in (layer.running_mean, layer.running_var)]
    return [buffer for buffer in buffers if buffer is not None]


def share_statistics(model: nn.Module) -> None:
    """Copy the batch-norm statistics of the first rank, which are saved, to all ranks."""
    for buffer in running_statistics(model):
        buffer.copy_(dist.broadcast(buffer))


@contextmanager
def shared_statistics(model: nn.Module) -> Iterator[None]:
    """Give all ranks the statistics of the first one; at the end of the block, their own again.

    Args:
        model: The model, bare or wrapped. All ranks must call this together.
    """
    if dist.get_world_size() == 1:
        yield
        return
    buffers = running_statistics(model)
    own = [buffer.detach().clone() for buffer in buffers]
    try:
        with torch.no_grad():
            share_statistics(model)
        yield
    finally:
        with torch.no_grad():
            for buffer, before in zip(buffers, own, strict=True):
                buffer.copy_(before)
