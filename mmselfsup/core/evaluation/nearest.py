"""The images a network takes for the most similar. Letters: M gallery, Q queries, D width."""

import numpy as np
from numpy.typing import NDArray

from .embedding import unit_length


def nearest(
    gallery: NDArray[np.float32], queries: NDArray[np.float32], num: int
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Find the features with the largest cosine; of equal ones the first.

    Args:
        gallery: [M, D], finite.
        queries: [Q, D], finite; a few, their cosines are held at once.
        num: how many for each query, if there are as many.

    Returns:
        Which of the gallery [Q, min(num, M)], falling, and the cosines.
    """
    cosines = unit_length(queries) @ unit_length(gallery).T  # [Q, M]
    index = np.argsort(-cosines, axis=1, kind="stable")[:, :num]
    return index.astype(np.int64), np.take_along_axis(cosines, index, axis=1)
