"""Isotropic Gaussian regularisation: how far projections are from it in random directions.

The two measures of one direction are the statistic of Epps and Pulley (LeJEPA) and the Wasserstein
distance (VISReg), which says nothing of centre and scale: those have penalties of their own.

Letters: N samples, V views, G global ones, D width, M directions, T knots.
"""

import math

import torch
from torch import Tensor

from mmselfsup.utils import dist

from ..utils.precision import full_precision


def random_directions(width: int, number: int, like: Tensor) -> Tensor:
    """Return random unit vectors, the same on all processes.

    Args:
        width: D.
        number: M.
        like: A tensor whose device and dtype they get.

    Returns:
        [D, M], columns of unit length, uniform on the sphere.
    """
    directions = torch.randn(width, number, device=like.device, dtype=like.dtype)
    return dist.broadcast(directions / directions.norm(dim=0))


def centroid_error(views: Tensor, num_global: int | None = None) -> Tensor:
    """Return the mean squared distance of all views from the mean of the image's global ones.

    Balestriero and LeCun 2025 (LeJEPA), algorithm 2; Wu et al. 2026 (VISReg), equation 8.

    Args:
        views: Projections [V, N, D], the G global views first.
        num_global: G; None for all.

    Returns:
        A scalar, at least 0: the mean over views, samples and components.
    """
    return (views - views[:num_global].mean(dim=0)).square().mean()


@full_precision
def epps_pulley(z: Tensor, directions: Tensor, knots: int = 17, limit: float = 5.0) -> Tensor:
    """Return how far the joined batch is from a standard normal distribution, per direction.

    Balestriero and LeCun 2025 (LeJEPA), algorithm 1: the statistic of Epps and Pulley 1983,
    ``N * integral of |phi_N(t) - phi(t)|^2 phi(t) dt`` with the empirical characteristic function
    ``phi_N`` of ``z @ direction`` and that of the normal distribution, ``phi(t) = exp(-t^2 / 2)``,
    by the trapezoidal rule. N counts the samples of all processes, and so does ``phi_N``, with the
    gradient of one process on the joined batch.

    Args:
        z: Projections of this process, [N, D].
        directions: Unit vectors [D, M], the same on all processes.
        knots: T, the number of points of the integral.
        limit: The integral is from ``-limit`` to ``limit``.

    Returns:
        A scalar, at least 0: the mean over the directions.
    """
    t = torch.linspace(-limit, limit, knots, device=z.device, dtype=z.dtype)  # [T]
    normal = torch.exp(-t.square() / 2)  # [T]
    angle = (z @ directions)[:, :, None] * t  # [N, M, T]
    ranks = dist.get_world_size()
    # Real and imaginary part, as collectives and half precision know no complex numbers.
    parts = torch.stack((angle.cos().mean(dim=0), angle.sin().mean(dim=0)))  # [2, M, T]
    real, imaginary = dist.all_reduce_with_grad(parts) / ranks
    error = ((real - normal).square() + imaginary.square()) * normal  # [M, T]
    return torch.trapezoid(error, t, dim=1).mean() * len(z) * ranks


@full_precision
def centre_and_scale(z: Tensor) -> tuple[Tensor, Tensor]:
    """Return how far the components are from mean 0 and from deviation 1.

    Wu et al. 2026 (VISReg), equations 6 and 1: the means over the components of the squared mean,
    and of ``(1 - deviation)^2`` with the biased deviation. Where all samples are equal, the
    gradient of the second stays finite (the root of 1e-12 is in place of 0).

    Args:
        z: Projections [..., N, D]; N at least 2.

    Returns:
        Two scalars, at least 0.
    """
    deviation = z.var(dim=-2, correction=0).clamp(min=1e-12).sqrt()  # [..., D]
    return z.mean(dim=-2).square().mean(), (1 - deviation).square().mean()


@full_precision
def sliced_wasserstein(z: Tensor, directions: Tensor, eps: float = 1e-4) -> Tensor:
    """Return the squared distance of standardised projections from a normal distribution.

    Wu et al. 2026 (VISReg), equations 2 and 5: the samples are centred and divided by their biased
    deviation, through which no gradient flows; in each direction, the i-th smallest value is
    compared with the quantile of i / (N + 1).

    Args:
        z: Projections [..., N, D]; N at least 2.
        directions: Unit vectors [D, M].
        eps: Added to the deviation.

    Returns:
        A scalar, at least 0: the mean over samples and directions.
    """
    deviation = z.detach().std(dim=-2, correction=0, keepdim=True) + eps  # [..., 1, D]
    standard = (z - z.mean(dim=-2, keepdim=True)) / deviation
    ordered = (standard @ directions).sort(dim=-2).values  # [..., N, M]
    number = z.shape[-2]
    shares = torch.arange(1, number + 1, device=z.device, dtype=z.dtype) / (number + 1)  # [N]
    quantiles = math.sqrt(2) * torch.erfinv(2 * shares - 1)
    return (ordered - quantiles[:, None]).square().mean()
