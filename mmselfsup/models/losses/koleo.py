"""The Kozachenko-Leonenko regulariser. Letters: N vectors of this process, R processes, D width."""

import torch
import torch.nn.functional as F
from torch import Tensor

from mmselfsup.utils import dist
from mmselfsup.utils.errors import ArgumentError

from ..utils.precision import full_precision

_EPS = 1e-8


@full_precision
def koleo(vectors: Tensor) -> Tensor:
    """Return minus the mean logarithm of the distance of each vector to its nearest neighbour.

    Sablayrolles et al. 2019, "Spreading vectors for similarity search", equation 2, on vectors of
    unit length as in Oquab et al. 2023 (DINOv2), section 4: it is low where the vectors are spread
    evenly. The neighbours are those of the joined batch, with a gradient for both vectors; the mean
    over the processes is the value of the joined batch.

    Difference from the authors' code, which looks for neighbours in each process alone: there the
    result depends on how a batch is divided; the paper says "within a batch". Neighbours in a
    larger batch are nearer, and the gradient, one over the distance, is larger.

    Args:
        vectors: [N, D], N the same on all processes, at least 2 in all.

    Returns:
        A scalar: the mean over the N vectors of this process.

    Raises:
        ArgumentError: There is only one vector.
    """
    own = F.normalize(vectors, dim=1)  # [N, D]
    joined = dist.gather_with_grad(own)  # [R*N, D]
    if len(joined) < 2:
        raise ArgumentError("KoLeo needs at least two images in a batch, got 1")
    with torch.no_grad():
        similarities = own @ joined.T  # [N, R*N]
        rows = torch.arange(len(own), device=own.device)
        similarities[rows, rows + dist.get_rank() * len(own)] = -2.0  # itself; cosines are above
        nearest = similarities.argmax(dim=1)  # [N]
    distances = torch.linalg.vector_norm(own - joined[nearest], dim=1)  # [N]
    return -(distances + _EPS).log().mean()
