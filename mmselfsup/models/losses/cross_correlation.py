"""The loss of Barlow Twins. Letters: N samples, D width."""

from torch import Tensor

from ..utils.precision import full_precision
from .off_diagonal import diagonal, off_diagonal_squares


@full_precision
def redundancy_loss(first: Tensor, second: Tensor, weight: float) -> Tensor:
    """Return the distance of two views' cross-correlation from the identity.

    Zbontar et al. 2021 (Barlow Twins), equation 1: with c the cross-correlation [D, D], the sum
    over the diagonal of ``(1 - c_ii)^2`` plus ``weight`` times the sum of all other ``c_ij^2``.

    Args:
        first: Normalised projections [N, D]: each component has mean 0 and variance 1.
        second: Those of the other view.
        weight: Weight of the entries off the diagonal (the paper's lambda), at least 0.

    Returns:
        A scalar, at least 0: a sum over the entries, so it grows with D.
    """
    samples = len(first)
    on = (1 - diagonal(first, second) / samples).square().sum()
    return on + weight * off_diagonal_squares(first, second) / samples**2
