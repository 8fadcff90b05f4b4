"""Files of a feature comparison: its numbers, and thumbnails.

``points.npz``: an ``Embedding`` of N test images. ``looks.json``: a ``FeatureComparison``.
``thumbs/``: the thumbnails that it names. These names are part of existing work dirs: they stay.
"""

from __future__ import annotations

import json
import zipfile
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mmselfsup.utils.errors import ArgumentError, UserError
from mmselfsup.utils.files import atomic_write, atomic_write_json
from mmselfsup.utils.json_records import from_json

EMBEDDING, COMPARISON, THUMBS = "points.npz", "looks.json", "thumbs"
SIDES = ("before", "after")


@dataclass(frozen=True)
class ShownImage:
    """An image that the report shows.

    Attributes:
        image: Name of the image in the list.
        label: Class of the image.
        thumb: File name of the thumbnail.
    """

    image: str
    label: int
    thumb: str


@dataclass(frozen=True)
class Neighbour(ShownImage):
    """A training image near a query.

    Attributes:
        cosine: Cosine of its features and the query's, -1..1.
    """

    cosine: float


@dataclass(frozen=True)
class Query(ShownImage):
    """A test image and its nearest training images.

    Attributes:
        before: Neighbours in the random network, nearest first.
        after: Neighbours in the pre-trained network.
    """

    before: list[Neighbour]
    after: list[Neighbour]


@dataclass(frozen=True)
class KnnScores:
    """Balanced accuracy of a k-NN classifier for the class and for the source.

    Attributes:
        by_class: Balanced accuracy of the class, 0..1.
        by_source: Balanced accuracy of the source, 0..1; None where lesions aren't known or
            all images are of one source.
    """

    by_class: float
    by_source: float | None


@dataclass(frozen=True)
class FeatureComparison:
    """Comparison of the features before and after one pre-training.

    Attributes:
        classes: Names of the classes.
        num_train: Number of training images, all of the list.
        num_test: Number of test images compared.
        all_test: Number of test images in the list.
        seed: Seed of the random network, the draws and the maps.
        voters: Number of neighbours (k) of the k-NN classifier.
        votes: The k-NN scores, ``before`` and ``after``.
        shared_lesions: Number of lesions with images in both lists; None where lesions aren't
            known.
        queries: Queries and their neighbours.
    """

    classes: list[str]
    num_train: int
    num_test: int
    all_test: int
    seed: int
    voters: int
    votes: dict[str, KnnScores]
    shared_lesions: int | None
    queries: list[Query]


@dataclass(frozen=True)
class Embedding:
    """Two-dimensional t-SNE embedding of the features of N test images.

    Attributes:
        names: [N], names of the images.
        labels: [N], classes of the images.
        sources: [N], sources of the images; empty where lesions aren't known.
        before: [N, 2], places on the map of the random network.
        after: [N, 2], places on the map of the pre-trained network.
    """

    names: NDArray[np.str_]
    labels: NDArray[np.int64]
    sources: NDArray[np.str_]
    before: NDArray[np.float32]
    after: NDArray[np.float32]


def write_comparison(folder: Path, comparison: FeatureComparison, embedding: Embedding) -> None:
    """Write both files, ``looks.json`` last: where it exists, both are complete."""
    with atomic_write(folder / EMBEDDING) as file:
        np.savez(file, **vars(embedding))
    atomic_write_json(folder / COMPARISON, asdict(comparison))


def read_comparison(folder: Path) -> tuple[FeatureComparison, Embedding] | None:
    """Return what ``write_comparison`` wrote; None where nothing was written.

    Raises:
        UserError: The files are damaged.
    """
    if not (folder / COMPARISON).exists():
        return None
    try:
        data = json.loads((folder / COMPARISON).read_text(encoding="utf-8"))
        comparison = from_json(FeatureComparison, data)
        if not set(SIDES) <= comparison.votes.keys():
            raise ArgumentError(f"votes lacks one of {', '.join(SIDES)}")
        # Without pickle: a work dir from elsewhere must not be able to run code.
        with np.load(folder / EMBEDDING, allow_pickle=False) as arrays:
            return comparison, Embedding(**arrays)
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile) as error:
        raise UserError(
            f"{folder}: can't read this feature comparison ({error}); delete the folder"
        ) from error
