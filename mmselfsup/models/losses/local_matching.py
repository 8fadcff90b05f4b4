"""Matches of places of two views: Bardes et al. 2022, "VICRegL: Self-Supervised Learning of Local
Visual Features", NeurIPS, section 3.2.

Letters: N images, L places of the map of one view, M of the other, K matches, D width.
"""

import torch
from torch import Tensor

from mmselfsup.utils.errors import ArgumentError

from ..utils.precision import full_precision


@torch.no_grad()
@full_precision
def nearest_pairs(first: Tensor, second: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Return the K closest pairs of a place and its nearest place of the other view.

    Args:
        first: Vectors of the places of one view, [N, L, D]: features, or positions.
        second: Those of the other view, [N, M, D].
        count: K, 1 to L.

    Returns:
        Places of the first view, each at most once, and of the second, [N, K] (int64), the closest
        pair of an image first.

    Raises:
        ArgumentError: K is not in 1..L.
    """
    if not 1 <= count <= first.shape[1]:
        raise ArgumentError(
            f"{count} matches of maps with {first.shape[1]} places: set head.num_matches to 1 to "
            f"{first.shape[1]}"
        )
    nearest = torch.cdist(first, second).min(dim=2)  # [N, L]
    places = nearest.values.argsort(dim=1, stable=True)[:, :count]
    return places, nearest.indices.gather(1, places)


@full_precision
def cell_positions(way: Tensor, rows: int, columns: int) -> Tensor:
    """Return where in the image the centres of the cells of a view's map are.

    Under autocast too in the precision of ``way``: bfloat16 rounds pixel 700 to a multiple of 4.

    Args:
        way: Affine maps of the views, [N, 2, 3], see ``LocatedView``.
        rows: Rows of the map.
        columns: Its columns.

    Returns:
        Pixels (x, y) of the image, [N, rows * columns, 2], row by row.
    """
    u = (torch.arange(columns, device=way.device, dtype=way.dtype) + 0.5) / columns
    v = (torch.arange(rows, device=way.device, dtype=way.dtype) + 0.5) / rows
    grid = torch.stack([u.repeat(rows), v.repeat_interleave(columns)])  # [2, rows * columns]
    return (way[:, :, :2] @ grid + way[:, :, 2:]).transpose(1, 2)
