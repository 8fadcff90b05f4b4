"""Choice of the images that are compared: drawn before any feature is computed.

Letters: N images.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from mmselfsup.datasets.data_sources.lists import Entry

MOST_POINTS = 2000
NUM_QUERIES = 6
_NO_LABEL = -1


def draw_points(entries: Sequence[Entry], seed: int, most: int = MOST_POINTS) -> list[Entry]:
    """Draw images of a list, classes as often as they occur in it; keep their order.

    Args:
        entries: The N images.
        seed: Seed of the draw.
        most: Largest number of images.

    Returns:
        The drawn images; all of them if there aren't more than ``most``.
    """
    drawn = np.random.default_rng(seed).permutation(len(entries))[:most]
    return [entries[i] for i in np.sort(drawn)]


def draw_queries(labels: NDArray[np.int64], seed: int, wanted: int = NUM_QUERIES) -> list[int]:
    """Draw one image of each of the most frequent classes.

    Args:
        labels: [N], class of each image.
        seed: Seed of the draw of a class's image.
        wanted: Number of classes, if there are as many.

    Returns:
        Indices of the images, in the order of their classes.
    """
    classes, counts = np.unique(labels, return_counts=True)
    # A stable sort, so that equally frequent classes are chosen alike on every machine.
    frequent = np.sort(classes[np.argsort(-counts, kind="stable")[:wanted]])
    rng = np.random.default_rng(seed)
    return [int(rng.choice(np.flatnonzero(labels == label))) for label in frequent]


def lines_of(entries: Sequence[Entry]) -> str:
    """Return the text of a list of images, as data sources read it."""
    return "".join(
        f"{e.name}\n" if e.label == _NO_LABEL else f"{e.name} {e.label}\n" for e in entries
    )
