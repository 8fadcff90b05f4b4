"""Similarities to a key and to a queue of older keys. Letters: N batch, D width, K length."""

from torch import Tensor

from ..utils.precision import full_precision


@full_precision
def queue_similarities(query: Tensor, key: Tensor, queue: Tensor) -> tuple[Tensor, Tensor]:
    """Return the similarities of each query to its own key and to every key in the queue.

    He et al. 2020 (MoCo), equation 1 before the temperature: dot products of unit vectors.

    Args:
        query: Queries [N, D], L2-normalised.
        key: Keys [N, D], L2-normalised; row i belongs to query i.
        queue: Older keys [D, K], columns L2-normalised. Pass a copy of a queue that is overwritten
            before the backward pass, which reads it again.

    Returns:
        Similarities to the positives [N, 1] and to the negatives [N, K], in -1..1.
    """
    return (query * key).sum(dim=1, keepdim=True), query @ queue
