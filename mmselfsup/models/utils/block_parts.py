"""What blocks have in common: widths of heads, factors of channels, activation checkpointing."""

import torch
from torch import Tensor, nn
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
