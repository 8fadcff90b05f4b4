"""Similarities to a key and to a queue of older keys. Letters: N batch, D width, K length."""

from torch import Tensor

from ..utils.precision import full_precision


@full_precision
def queue_similarities(query: Tensor, key: Tensor, queue: Tensor) -> tuple[Tensor, Tensor]:
    """Dot products of each query with its own key and with every key in the queue.

    He et al. 2020 (MoCo), equation 1 before the temperature.

    Args:
        query: [N, D], L2-normalised.
        key: [N, D], L2-normalised; row i belongs to query i.
        queue: [D, K], columns L2-normalised. What is overwritten later must be given as a copy:
            the backward pass reads it again.

    Returns:
        Positives [N, 1] and negatives [N, K].
    """
    return (query * key).sum(dim=1, keepdim=True), query @ queue
