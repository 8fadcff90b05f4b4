"""Running statistics of batch normalisation: on several ranks, and with activation checkpointing.

Without ``SyncBN`` each rank has statistics of its own images. A checkpoint holds those of the first
rank, so they are the ones that every rank evaluates with.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

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


def count_batches_once(network: nn.Module) -> None:
    """Let activation checkpointing leave the running statistics of a network as they are without.

    A block that is computed again in the backward pass would update them a second time with the
    same batch, which doubles the momentum of its batch normalisations.

    Args:
        network: The network, changed in place. It and its copies behave otherwise as before.
    """
    for module in network.modules():
        counts = _keep_statistics in module._forward_pre_hooks.values()
        if isinstance(module, _BatchNorm) and not counts:
            module.register_forward_pre_hook(_keep_statistics)
            # Also after an exception: torch ends the second pass with one when it has all it needs.
            module.register_forward_hook(_update_statistics, always_call=True)


def _keep_statistics(module: Any, inputs: Any) -> None:
    """Set the momentum to zero for a pass that is part of a backward pass."""
    if module.training and torch._C._current_graph_task_id() != -1:
        module.momentum_of_statistics = module.momentum
        module.momentum = 0.0


def _update_statistics(module: Any, inputs: Any, output: Any) -> None:
    """Set the momentum back after such a pass, which does not count as a batch."""
    if "momentum_of_statistics" in module.__dict__:
        module.momentum = module.__dict__.pop("momentum_of_statistics")
        if module.num_batches_tracked is not None:
            module.num_batches_tracked.sub_(1)
