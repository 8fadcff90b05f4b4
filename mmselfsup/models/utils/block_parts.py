"""What blocks have in common: widths of heads, factors of channels, activation checkpointing."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.checkpoint import checkpoint

from mmselfsup.utils.errors import ArgumentError


def channels_of_a_head(embed_dims: int, num_heads: int) -> int:
    """Return the channels of each attention head.

    Raises:
        ArgumentError: ``embed_dims`` is no multiple of ``num_heads``.
    """
    if embed_dims % num_heads:
        raise ArgumentError(
            f"embed_dims must be a multiple of num_heads, got {embed_dims} and {num_heads}"
        )
    return embed_dims // num_heads


def layer_scale(embed_dims: int, init_values: float | None) -> nn.Parameter | None:
    """Return the trained factor [C] of each channel of a branch; None for no factor."""
    if not init_values:
        return None
    return nn.Parameter(torch.full((embed_dims,), float(init_values)))  # [C]


def scaled(branch: Tensor, factor: Tensor | None) -> Tensor:
    """Return a branch times its factor of each channel, if it has one."""
    return branch if factor is None else branch * factor


def run_block(block: nn.Module, *inputs: Tensor, again: bool) -> Tensor:
    """Return what a block makes of its inputs, by activation checkpointing if asked.

    Chen et al. 2016, "Training Deep Nets with Sublinear Memory Cost": the activations inside the
    block are not stored, but computed again in the backward pass, with the same random numbers.

    Args:
        block: The block.
        *inputs: Its inputs, which are stored.
        again: Whether to do so (``with_cp``); without gradients nothing is stored anyway.
    """
    if again and torch.is_grad_enabled():
        output: Tensor = checkpoint(block, *inputs, use_reentrant=False)
        return output
    output = block(*inputs)
    return output


def count_batches_once(network: nn.Module) -> None:
    """Let activation checkpointing leave the running statistics of a network as they are without.

    A block that is computed again in the backward pass would update them a second time with the
    same batch, which doubles the momentum of its batch normalisations.

    Args:
        network: The network, changed in place. It and its copies behave otherwise as before.
    """
    for module in network.modules():
        if isinstance(module, _BatchNorm):
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
