"""The terms of VICReg and VIbCReg. Letters: N samples, D width of a projection."""

import torch.nn.functional as F
from torch import Tensor

from mmselfsup.utils.errors import ArgumentError

from ..utils.precision import full_precision
from .off_diagonal import off_diagonal_squares

_EPS = 1e-4  # inside the root, so that its gradient is finite at 0


@full_precision
def variance_hinge(z: Tensor, least: float = 1.0) -> Tensor:
    """Return how much the deviations of the components fall below a least one.

    Bardes et al. 2022 (VICReg), equations 1 and 2: the mean over the components of
    ``max(0, least - sqrt(var + 1e-4))``, with the unbiased variance.

    Args:
        z: Projections [N, D], at least two, or [N, K, D] of K slots.
        least: The wanted deviation (gamma), above 0.

    Returns:
        A scalar, 0 to ``least``; its gradient keeps a projection from becoming constant.

    Raises:
        ArgumentError: A single sample has no variance.
    """
    _check(z)
    deviation = (z.var(dim=0) + _EPS).sqrt()  # [D]
    return (least - deviation).relu().mean()


@full_precision
def covariance_penalty(z: Tensor) -> Tensor:
    """Return the sum of the squared covariances of different components, divided by D.

    Bardes et al. 2022 (VICReg), equations 3 and 4.

    Args:
        z: Projections [N, D], at least two, or [N, K, D]: the mean over K slots, each of which has
            its own covariances.

    Returns:
        A scalar, at least 0, 0 for components without linear dependence.

    Raises:
        ArgumentError: A single sample has no covariance.
    """
    _check(z)
    centred = (z - z.mean(dim=0)).view(len(z), -1, z.shape[-1]).transpose(0, 1)  # [K, N, D]
    off = off_diagonal_squares(centred, centred) / (len(z) - 1) ** 2
    return off / (z.shape[-1] * len(centred))


@full_precision
def correlation_penalty(z: Tensor) -> Tensor:
    """Return the mean of the squared correlations of different components.

    Lee and Aune 2021 (VIbCReg), the normalised covariance matrix: the sum over the squared
    entries off the diagonal, divided by D^2. It does not depend on the scale of the projections.

    Args:
        z: Projections [N, D], at least two.

    Returns:
        A scalar in 0..1.

    Raises:
        ArgumentError: A single sample has no correlation.
    """
    _check(z)
    unit = F.normalize(z - z.mean(dim=0), dim=0)  # columns of unit length; a constant one is 0
    return off_diagonal_squares(unit, unit) / z.shape[1] ** 2


def _check(z: Tensor) -> None:
    """Check that there are two samples.

    Raises:
        ArgumentError: There are not.
    """
    if len(z) < 2:
        raise ArgumentError(
            "a variance needs at least two images in the joined batch: use a larger one, and "
            "data.drop_last=True where the last one is too small"
        )
