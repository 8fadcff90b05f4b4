"""The loss of Barlow Twins. Letters: N samples, D width."""

import torch
from torch import Tensor

from ..utils.precision import full_precision
from .off_diagonal import diagonal, off_diagonal_squares


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
    on = (1 - torch.diagonal(correlation)).square().sum()
    # Subtracting the diagonal from the total needs no mask of the size of the matrix.
    off = squares.sum() - torch.diagonal(squares).sum()
    return on + weight * off


@full_precision
def redundancy_of_samples(first: Tensor, second: Tensor, weight: float) -> Tensor:
    """Return ``redundancy_loss`` of the cross-correlation of two views' samples.

    With few samples there is no matrix of width x width, see ``off_diagonal_squares``.

    Args:
        first: Normalised projections [N, D]: each component has mean 0 and variance 1.
        second: Those of the other view.
        weight: See ``redundancy_loss``.
    """
    samples = len(first)
    on = (1 - diagonal(first, second) / samples).square().sum()
    return on + weight * off_diagonal_squares(first, second) / samples**2
