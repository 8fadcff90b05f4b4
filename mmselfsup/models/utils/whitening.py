"""Whitening: projections whose components are not correlated and have unit variance.

Letters: N samples, D width.
"""

import torch
from torch import Tensor

from mmselfsup.utils.errors import ArgumentError

from .precision import full_precision


@full_precision
def cholesky_whitening(z: Tensor, shrinkage: float = 0.0) -> Tensor:
    """Return the samples whitened by the inverse of the Cholesky factor of their covariance.

    Ermolov et al. 2021 (W-MSE), section 3; Siarohin et al. 2019: ``W (z - mean)``
    with ``W' W`` the inverse of the covariance. The gradient passes mean and covariance.

    Args:
        z: Samples [N, D] with N above D, or any N with ``shrinkage``.
        shrinkage: Share of the identity in the covariance, 0 to 1.

    Returns:
        [N, D]; without shrinkage its covariance is the identity. On a GPU nan where the covariance
        has no inverse: to look for that in each step would make the host wait for the device, and a
        loss of nan ends a training at the next line of the log.

    Raises:
        ArgumentError: The covariance has no inverse, on a CPU.
    """
    centred = z - z.mean(dim=0)
    covariance = centred.T @ centred / max(len(z) - 1, 1)  # [D, D]
    identity = torch.eye(z.shape[1], dtype=z.dtype, device=z.device)
    factor, failed = cholesky_or_nan((1 - shrinkage) * covariance + shrinkage * identity)
    if z.device.type == "cpu" and failed:
        raise ArgumentError(
            f"the covariance of {len(z)} projections of width {z.shape[1]} has no inverse: take "
            "more images for each whitening than components, or head.shrinkage=1e-3; with enough "
            "images the projections have collapsed or are not finite"
        )
    return torch.linalg.solve_triangular(factor, centred.T, upper=False).T


def cholesky_or_nan(matrix: Tensor) -> tuple[Tensor, Tensor]:
    """Return the Cholesky factor of a matrix [D, D], nan where it has none, and whether that is so.

    PyTorch's own check makes the host wait for the device.
    """
    factor, info = torch.linalg.cholesky_ex(matrix)
    failed = info != 0
    return torch.where(failed, torch.nan, factor), failed


def check_shrinkage(shrinkage: float) -> float:
    """Return a shrinkage in 0..1.

    Raises:
        ArgumentError: It is not.
    """
    if not 0 <= shrinkage <= 1:
        raise ArgumentError(f"shrinkage must be in 0..1, got {shrinkage}")
    return shrinkage


@full_precision
def newton_whitening(z: Tensor, iterations: int = 5, eps: float = 1e-5) -> Tensor:
    """Return the samples whitened by an approximate inverse root of their covariance.

    Huang et al. 2019 (iterative normalisation), algorithm 1: Newton's iteration
    ``P <- (3 P - P^3 S) / 2`` from the identity, where S is the covariance (divided by N) with its
    trace scaled to 1. A few iterations leave directions of small variance small, and need no
    decomposition. P is a polynomial of S, and ``X p(X'X) = p(XX') X``: the iteration takes the
    smaller of the matrices [D, D] and [N, N].

    Args:
        z: Samples [N, D], any N.
        iterations: T, at least 0; with 0 the samples are centred and scaled by one number.
        eps: Added to the diagonal of the covariance.

    Returns:
        [N, D]; the covariance approaches the identity with growing T.
    """
    samples, width = z.shape
    centred = z - z.mean(dim=0)
    products = centred @ centred.T if samples < width else centred.T @ centred
    identity = torch.eye(len(products), dtype=z.dtype, device=z.device)
    trace = products.trace() / samples + eps * width  # of the covariance, whichever matrix is taken
    scaled = (products / samples + eps * identity) / trace
    # As two matrices, P and P S, which rounding errors don't drive apart from each other.
    root, product = identity, scaled
    for _ in range(iterations):
        step = 1.5 * identity - 0.5 * root @ product
        root, product = step @ root, product @ step
    whitened = root @ centred if samples < width else centred @ root
    return whitened / trace.sqrt()
