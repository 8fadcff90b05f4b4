"""Arrays of all ranks, joined without copies on the way; the names of MMSelfSup 0.x.

Letters: N rows of all ranks, n of one part, R ranks, D all dimensions after the first.
"""

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
    return gather_arrays(np.ascontiguousarray(input_array))


def gather_arrays(array: Array) -> list[Array]:
    """Return the arrays of all ranks, in rank order, without a second copy of them on the way.

    Args:
        array: Contiguous, any shape and type; those of Python objects are pickled.
    """
    facts = dist.all_gather_object((array.shape, array.dtype))
    if any(dtype.hasobject for _, dtype in facts):
        return dist.all_gather_object(array)
    arrays = []
    for rank, (shape, dtype) in enumerate(facts):
        arrays.append(array if rank == dist.get_rank() else np.empty(shape, dtype))
        dist.broadcast_bytes(as_bytes(arrays[rank]), arrays[rank].nbytes, rank)
    return arrays


def as_bytes(array: Array) -> NDArray[np.uint8]:
    """Return the memory of a contiguous array as [bytes], shared with it."""
    return array.reshape(-1).view(np.uint8)


class RowBuffer:
    """Rows of one batch after another, in one array, so that they are never there twice.

    Args:
        num_batches: How many batches are expected; more are possible.
    """

    def __init__(self, num_batches: int) -> None:
        self._num_batches, self._used = num_batches, 0
        self._array: Array | None = None

    def add(self, batch: Array) -> None:
        """Append the rows of a batch, [n, ...].

        Raises:
            ValueError: The further dimensions are not those of the batch before.
        """
        array, used = self._array, self._used + len(batch)
        if array is None:
            # Memory takes no place until it is written.
            array = np.empty((self._num_batches * len(batch), *batch.shape[1:]), batch.dtype)
        if batch.shape[1:] != array.shape[1:]:
            raise ValueError(f"rows of the shape {batch.shape[1:]} after {array.shape[1:]}")
        dtype = np.result_type(array.dtype, batch.dtype)
        if used > len(array) or dtype != array.dtype:
            array, before = np.empty((max(used, 2 * len(array)), *array.shape[1:]), dtype), array
            array[: self._used] = before[: self._used]
        array[self._used : used] = batch
        self._array, self._used = array, used

    def rows(self) -> Array | None:
        """Return all rows, [N, ...]; None if there was no batch."""
        if self._array is None:
            return None
        if self._array.dtype.hasobject:
            return self._array[: self._used]
        # Memory is given back without a copy; there is no view of the array.
        self._array.resize((self._used, *self._array.shape[1:]), refcheck=False)
        return self._array


def joined_rows(own: Array | None, everywhere: bool = True, extend: bool = False) -> Array | None:
    """Return the rows of all ranks as one array, in rank order.

    Args:
        own: This rank's rows, [n, ...]; None if it has none.
        everywhere: Whether all ranks need the result, or the first one only.
        extend: Whether the first rank may lengthen its array, of which there is no view, so that
            its rows are never there twice.

    Returns:
        [N, ...]; None on ranks that don't need it. A single rank gets its own array.

    Raises:
        ValueError: The further dimensions differ, or no rank has rows.
    """
    facts = dist.all_gather_object(None if own is None else (len(own), own.shape[1:], own.dtype))
    shapes = {fact[1] for fact in facts if fact is not None}
    if len(shapes) != 1:
        raise ValueError(f"rows need one shape to be joined, not {sorted(shapes)}")
    if len(facts) == 1:
        return own
    dtype = np.result_type(*(fact[2] for fact in facts if fact is not None))
    if dtype.hasobject:
        return np.concatenate([rows for rows in dist.all_gather_object(own) if rows is not None])
    counts = [0 if fact is None else fact[0] for fact in facts]
    shape = shapes.pop()
    if own is None:
        own = np.empty((0, *shape), dtype)
    own = np.ascontiguousarray(own, dtype)
    row_bytes = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
    result = None
    if dist.is_main() and extend and own.flags.owndata:
        result, own = own, np.empty((0, *shape), dtype)  # no view of what moves
        result.resize((sum(counts), *shape), refcheck=False)
    elif everywhere or dist.is_main():
        result = np.empty((sum(counts), *shape), dtype)
        end = sum(counts[: dist.get_rank() + 1])
        result[end - len(own) : end] = own
    for rank, (count, end) in enumerate(zip(counts, np.cumsum(counts), strict=True)):
        place = own if result is None else result[end - count : end]
        data = as_bytes(place) if result is not None or rank == dist.get_rank() else None
        if everywhere:
            dist.broadcast_bytes(data, count * row_bytes, rank)
        elif rank:
            dist.send_bytes(data, count * row_bytes, rank)
    return result


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
