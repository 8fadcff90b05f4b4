"""Gathering over ranks, under the names of MMSelfSup 0.x."""

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from . import dist

Array = NDArray[np.generic]


def concat_all_gather(tensor: Tensor) -> Tensor:
    """Concatenate equally shaped tensors of all ranks: [N, D] -> [R*N, D], without gradient."""
    return dist.all_gather_cat(tensor)


def gather_tensors(input_array: Array) -> list[Array]:
    """Return the arrays of all ranks, in rank order; their shapes may differ."""
    return dist.all_gather_object(input_array)


def gather_tensors_batch(
    input_array: Array, part_size: int = 100, ret_rank: int = -1
) -> list[Array]:
    """Do the same as ``gather_tensors``, in messages of a limited size.

    Args:
        input_array: [N, ...]; N may differ between the ranks.
        part_size: Number of rows in one message.
        ret_rank: The rank that gets the result, -1 for all; the others get an empty list.

    Returns:
        One array per rank, in rank order.
    """
    if part_size < 1:
        raise ValueError(f"part_size must be at least 1, got {part_size}")
    # All ranks send the same number of messages: those with fewer rows send empty ones.
    num_parts = max(dist.all_gather_object(-(-len(input_array) // part_size)))
    starts = [part * part_size for part in range(max(num_parts, 1))]
    parts = [dist.all_gather_object(input_array[s : s + part_size]) for s in starts]
    if ret_rank not in (-1, dist.get_rank()):
        return []
    return [np.concatenate(of_rank) for of_rank in zip(*parts, strict=True)]
