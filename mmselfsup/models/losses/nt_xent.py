"""The pairs of SimCLR's NT-Xent loss. Letters: N images, D width; 2N rows are two views each."""

import torch
from torch import Tensor

from ...utils.errors import ArgumentError
from ..utils.precision import full_precision


@full_precision
def pair_similarities(z: Tensor) -> tuple[Tensor, Tensor]:
    """Dot products of each view with its partner and with all views of other images.

    Args:
        z: Projections [2N, D], L2-normalised; rows 2i and 2i + 1 are the views of image i.

    Returns:
        Positives [2N, 1] and negatives [2N, 2N - 2].

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
    # Skip the two columns of the row's own image, by arithmetic: a mask would wait for the device.
    others = column + 2 * (column >= first_of_pair)  # [2N, 2N - 2]
    return similarity.gather(1, row ^ 1), similarity.gather(1, others)
