"""Which places of two views belong together.

Letters: N batch, C channels, D width, L places of a feature map.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from ..utils.precision import full_precision


@torch.no_grad()
@full_precision
def dense_matches(first: Tensor, second: Tensor) -> Tensor:
    """For each place of the first view, the most similar place of the second.

    Wang et al. 2021 (DenseCL), equation 3: the largest cosine between the features of the
    backbones. A choice has no gradient.

    Args:
        first: [N, C, L].
        second: [N, C, L], of the same images.

    Returns:
        Places in the second view, [N, L] (int64), 0 to L - 1.
    """
    unit = F.normalize(first, dim=1), F.normalize(second, dim=1)
    return torch.einsum("nci,ncj->nij", *unit).argmax(dim=2)


def take_places(grid: Tensor, places: Tensor) -> Tensor:
    """The vectors of ``grid`` at ``places``.

    Args:
        grid: [N, D, L].
        places: [N, L] (int64), from ``dense_matches``.

    Returns:
        [N, D, L]: at place i what ``grid`` has at ``places[:, i]``.
    """
    return grid.gather(2, places[:, None].expand(-1, grid.shape[1], -1))
