"""Sums over the products of components, without the matrix where it is the larger one.

Letters: N samples, D width.
"""

from torch import Tensor


def off_diagonal_squares(first: Tensor, second: Tensor) -> Tensor:
    """Return the sum of the squared entries off the diagonal of ``first' second``.

    For A and B with few rows, the sum over all entries is taken from matrices of samples:
    ``|A'B|^2 = sum (AA') * (BB')``. At 64 samples of width 8,192, as Barlow Twins has them, these
    have 32 KiB and the matrix of components 256 MiB.

    Args:
        first: [..., N, D], float32 or float64; leading dimensions are summed over.
        second: The same shape.

    Returns:
        A scalar, at least 0 but for rounding errors.
    """
    samples, width = first.shape[-2:]
    # With N up to D / 2 and equal arguments, at least half of the sum lies off the diagonal, and
    # the difference loses no digits; of two views, it is as exact as the sum over all entries.
    if 2 * samples <= width:
        total = ((first @ first.mT) * (second @ second.mT)).sum()
    else:
        total = (first.mT @ second).square().sum()
    return total - diagonal(first, second).square().sum()


def diagonal(first: Tensor, second: Tensor) -> Tensor:
    """Return the diagonal of ``first' second``, [..., D], for two [..., N, D]."""
    return (first * second).sum(dim=-2)
