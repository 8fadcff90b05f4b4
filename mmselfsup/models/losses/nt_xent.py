"""The pairs of SimCLR's NT-Xent loss.

Letters: N images of the joined batch, with two views each, D width of a projection.
"""

import torch
from torch import Tensor

from mmselfsup.utils.errors import ArgumentError

from ..utils.precision import full_precision


@full_precision
def pair_similarities(z: Tensor) -> tuple[Tensor, Tensor]:
    """Return the similarities of each view to its partner and to all views of other images.

    Chen et al. 2020 (SimCLR), equation 1 before the temperature: dot products of unit vectors.

    Args:
        z: Projections [2N, D], L2-normalised; rows 2i and 2i + 1 are the views of image i.

    Returns:
        Similarities to the positives [2N, 1] and to the negatives [2N, 2N - 2], in -1..1.

    Raises:
        ArgumentError: An odd number of rows, or fewer than two images, which leaves no negative.
    """
    rows = z.shape[0]
    if rows % 2 or rows < 4:
        raise ArgumentError(
            f"NT-Xent needs two views of at least two images, got {rows} rows: use a larger batch, "
            "and data.drop_last=True where the last one is too small"
        )
    similarity = z @ z.T  # [2N, 2N]
    row = torch.arange(rows, device=z.device)[:, None]  # [2N, 1]
    first_of_pair = row - row % 2  # [2N, 1]
    column = torch.arange(rows - 2, device=z.device)[None]  # [1, 2N - 2]
    # Skip the two columns of the row's own image by arithmetic: the size of a boolean mask's result
    # is known only to the device, so indexing with a mask would wait for it.
    others = column + 2 * (column >= first_of_pair)  # [2N, 2N - 2]
    # row ^ 1 is the row's partner: rows 2i and 2i + 1 differ in the last bit.
    return similarity.gather(1, row ^ 1), similarity.gather(1, others)
