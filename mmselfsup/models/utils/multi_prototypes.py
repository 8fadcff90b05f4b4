"""Prototypes: linear layers without bias whose rows have unit length.

Caron et al. 2020 (SwAV), section 3.1. Letters: N batch, D width of a projection, K prototypes.
"""

from collections.abc import Iterator, Sequence

import torch
import torch.nn.functional as F
from mmcv.runner import BaseModule
from torch import Tensor, nn

from mmselfsup.utils.errors import ArgumentError
from mmselfsup.utils.sharding import keep_writes


class MultiPrototypes(BaseModule):
    """Several sets of prototypes, ``prototypes0``, ``prototypes1``, ..., of the same projections.

    Args:
        output_dim: D.
        num_prototypes: K of each set, a list of numbers from 1.

    Raises:
        ArgumentError: ``num_prototypes`` is no list of numbers from 1.
    """

    def __init__(self, output_dim: int, num_prototypes: Sequence[int]) -> None:
        super().__init__()
        if not isinstance(num_prototypes, list | tuple) or any(k < 1 for k in num_prototypes):
            raise ArgumentError(
                f"num_prototypes must be a list of numbers from 1, got {num_prototypes!r}"
            )
        self.num_heads = len(num_prototypes)
        for i, k in enumerate(num_prototypes):
            self.add_module(f"prototypes{i}", nn.Linear(output_dim, k, bias=False))

    def forward(self, x: Tensor) -> list[Tensor]:
        """Return the scores [N, K] of projections [N, D] for each set."""
        return [layer(x) for layer in self.children()]


def build_prototypes(width: int, num_prototypes: int | Sequence[int]) -> nn.Module:
    """Build a linear layer for one number of prototypes, ``MultiPrototypes`` for a list.

    Args:
        width: D.
        num_prototypes: K, or K of each set; at least 1.

    Raises:
        ArgumentError: A number below 1.
    """
    if isinstance(num_prototypes, int):
        if num_prototypes < 1:
            raise ArgumentError(f"num_prototypes must be from 1, got {num_prototypes}")
        return nn.Linear(width, num_prototypes, bias=False)
    return MultiPrototypes(width, num_prototypes)


def prototype_sets(prototypes: nn.Module) -> Iterator[nn.Linear]:
    """Yield each set of prototypes, after scaling its rows to unit length in place.

    The columns of the paper's C are unit vectors. The optimizer changes their length, so they are
    normalised at the start of every iteration.

    Args:
        prototypes: The result of ``build_prototypes``.

    Yields:
        Linear layers with weights [K, D].
    """
    for layer in prototypes.modules():
        if isinstance(layer, nn.Linear):
            with torch.no_grad():
                layer.weight.copy_(F.normalize(layer.weight, dim=1))
            keep_writes(layer)
            yield layer


class UnitRows(nn.Module):
    """A linear layer without bias, whose rows are scaled to unit length in the forward pass.

    Weight normalisation (Salimans and Kingma 2016) with all lengths fixed to 1, as the last layer
    of DINO (Caron et al. 2021, appendix C): the gradient is that of the direction of a row.

    Args:
        width: D.
        num_prototypes: K.
    """

    def __init__(self, width: int, num_prototypes: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(num_prototypes, width))  # [K, D]
        nn.init.kaiming_uniform_(self.weight, a=5**0.5)  # as nn.Linear

    def forward(self, x: Tensor) -> Tensor:
        """Return the scores [N, K] of projections [N, D]."""
        return F.linear(x, F.normalize(self.weight, dim=1))
