"""The matching of places between two views (DenseCL).

Letters: N batch, C channels, D width, L places of a feature map.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from ..utils.precision import full_precision


@torch.no_grad()
@full_precision
def dense_matches(first: Tensor, second: Tensor) -> Tensor:
    """Return the most similar place of the second view for each place of the first view.

    Wang et al. 2021 (DenseCL), equation 3: the largest cosine between the features of the
    backbones. An argmax has no gradient.

    Args:
        first: Features of the first view, [N, C, L].
        second: Features of the second view of the same images, [N, C, L].

    Returns:
        Places in the second view, [N, L] (int64), 0 to L - 1.
    """
    unit = F.normalize(first, dim=1), F.normalize(second, dim=1)  # [N, C, L] each
    return torch.einsum("nci,ncj->nij", *unit).argmax(dim=2)


def take_places(grid: Tensor, places: Tensor) -> Tensor:
    """Return the vectors of ``grid`` at ``places``.

    Args:
        grid: Vectors of each place, [N, D, L].
        places: Indices of places, [N, L] (int64), 0 to L - 1, from ``dense_matches``.

    Returns:
        Vectors [N, D, L]: at place i those of ``grid`` at ``places[:, i]``.
    """
    return grid.gather(2, places[:, None].expand(-1, grid.shape[1], -1))
