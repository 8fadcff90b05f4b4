"""The loss of Barlow Twins. Letters: D width."""

import torch
from torch import Tensor

from ..utils.precision import full_precision


@full_precision
def redundancy_loss(correlation: Tensor, weight: float) -> Tensor:
    """Return the distance of a cross-correlation matrix from the identity.

    Zbontar et al. 2021 (Barlow Twins), equation 1: the sum over the diagonal of ``(1 - c_ii)^2``
    plus ``weight`` times the sum of all other ``c_ij^2``.

    Args:
        correlation: Cross-correlation c, [D, D], entries in -1..1.
        weight: Weight of the entries off the diagonal (the paper's lambda), at least 0.

    Returns:
        A scalar, at least 0: a sum over the entries, so it grows with D.
    """
    squares = correlation.square()  # [D, D]
    diagonal = torch.diagonal(correlation)  # [D]
    # Subtracting the diagonal from the total needs no mask of the size of the matrix.
    on = (1 - diagonal).square().sum()
    off = squares.sum() - torch.diagonal(squares).sum()
    return on + weight * off
