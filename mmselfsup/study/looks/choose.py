"""Which images are looked at: drawn before any feature is seen. Letters: N images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from mmselfsup.datasets.data_sources.entries import Entry

MOST_POINTS = 2000
NUM_QUERIES = 6
_NO_LABEL = -1


def draw_points(entries: Sequence[Entry], seed: int, most: int = MOST_POINTS) -> list[Entry]:
    """Draw images of a list, classes as often as they are in it; the order stays.

    Args:
        entries: the N images.
        seed: draws.
        most: how many at most.

    Returns:
        All of them if there aren't more than `most`.
    """
    drawn = np.random.default_rng(seed).permutation(len(entries))[:most]
    return [entries[i] for i in np.sort(drawn)]


def draw_queries(labels: NDArray[np.int64], seed: int, wanted: int = NUM_QUERIES) -> list[int]:
    """Draw one image of each of the most frequent classes.

    Args:
        labels: [N].
        seed: draws the image of a class.
        wanted: how many classes, if there are as many.

    Returns:
        Which images, in the order of their classes.
    """
    classes, counts = np.unique(labels, return_counts=True)
    frequent = np.sort(classes[np.argsort(-counts, kind="stable")[:wanted]])
    rng = np.random.default_rng(seed)
    return [int(rng.choice(np.flatnonzero(labels == label))) for label in frequent]


def lines_of(entries: Sequence[Entry]) -> str:
    """Write images as a list that data sources read."""
    return "".join(
        f"{e.name}\n" if e.label == _NO_LABEL else f"{e.name} {e.label}\n" for e in entries
    )
