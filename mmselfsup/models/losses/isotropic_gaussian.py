"""Sketched isotropic Gaussian regularisation.

Letters: N samples, D width, M directions, T knots.
"""

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
