"""What the blocks of transformers have in common: widths of heads, factors of channels."""

import torch
from torch import Tensor, nn

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
