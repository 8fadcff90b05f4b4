"""The most similar images by their features. Letters: M gallery, Q queries, D width."""

import numpy as np
from numpy.typing import NDArray

from .embedding import unit_length


def nearest(
    gallery: NDArray[np.float32], queries: NDArray[np.float32], num: int
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Return the features with the largest cosine; among equal ones the first.

    Args:
        gallery: Features [M, D], finite.
        queries: Features [Q, D], finite; only a few, as all their cosines are in memory at once.
        num: Number of results for each query, at most M.

    Returns:
        Indices into the gallery [Q, min(num, M)], by decreasing cosine, and the cosines.
    """
    cosines = unit_length(queries) @ unit_length(gallery).T  # [Q, M]
    # Stable: the order of equal cosines doesn't depend on the sorting algorithm.
    index = np.argsort(-cosines, axis=1, kind="stable")[:, :num]
    return index.astype(np.int64), np.take_along_axis(cosines, index, axis=1)
