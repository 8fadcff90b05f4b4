"""What a comparison of features before and after a pre-training shows.

The compared images and the queries are drawn before any feature is computed. The report
shows the neighbours of each query, as thumbnails small enough to be embedded, and k-NN scores for
the class and for the source of an image, which features may encode better than the class.

Letters: N images, M training images.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mmselfsup.metrics import confusion_matrix, per_class_recall
from mmselfsup.utils.device import default_device
from mmselfsup.utils.files import atomic_write

from .feature_comparison_files import KnnScores, Neighbour, Query
from .features import LabelledFeatures
from .knn import knn_scores, nearest

if TYPE_CHECKING:
    from mmselfsup.datasets.data_sources.lists import Entry

MOST_POINTS = 2000  # test images that are compared
NUM_QUERIES = 6
NUM_NEIGHBOURS = 6  # shown for each query
NUM_VOTERS = 20  # k of the k-NN scores
SIDE = 96  # pixels of a thumbnail
_QUALITY = 60  # of its WebP
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


def lines_of(entries: Sequence[Entry]) -> str:
    """Return the text of a list of images, as data sources read it."""
    return "".join(
        f"{e.name}\n" if e.label == _NO_LABEL else f"{e.name} {e.label}\n" for e in entries
    )


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


def find_neighbours(
    features: Mapping[str, LabelledFeatures],
    datasets: Mapping[str, Any],
    queries: Sequence[int],
    thumbs: Path,
) -> list[Query]:
    """Return test images with their neighbours before and after, and write the thumbnails.

    Args:
        features: Features, ``before`` and ``after``.
        datasets: Data sets of these features, ``train`` and ``val``.
        queries: Indices of the test images.
        thumbs: Folder of the thumbnails.

    Raises:
        UserError: An image can't be read.
    """
    # Named by index, as names of images may contain folders: of an earlier run they show others.
    for old in thumbs.glob("*.webp"):
        old.unlink()
    rows: dict[str, list[list[Neighbour]]] = {}
    for side, data in features.items():
        index_and_cosines = nearest(data.train, data.test[list(queries)], NUM_NEIGHBOURS)
        rows[side] = [
            [
                Neighbour(
                    *_image(datasets["train"], i, thumbs, "train"), cosine=round(float(cosine), 4)
                )
                for i, cosine in zip(index, cosines, strict=True)
            ]
            for index, cosines in zip(*index_and_cosines, strict=True)
        ]
    return [
        Query(*_image(datasets["val"], i, thumbs, "test"), rows["before"][n], rows["after"][n])
        for n, i in enumerate(queries)
    ]


def _image(dataset: Any, i: int, thumbs: Path, part: str) -> tuple[str, int, str]:
    """Return name, class and thumbnail of an image; write the thumbnail unless it exists."""
    # An image may be shown many times.
    info = dataset.data_source.data_infos[i]
    name, thumb = info["img_info"]["filename"], f"{part}_{i}.webp"
    if not (thumbs / thumb).exists():
        write_thumb(Path(info["img_prefix"]) / name, thumbs / thumb)
    return name, int(info["gt_label"]), thumb


def write_thumb(image: Path, path: Path) -> None:
    """Write the central square of an image, 96 pixels a side, as WebP (about 2 kB).

    Raises:
        UserError: The image can't be read.
    """
    # Only this function reads images; the rest of the file needs arrays alone.
    from PIL import Image, ImageOps

    from mmselfsup.datasets.data_sources.decode import open_rgb

    small = ImageOps.fit(open_rgb(image), (SIDE, SIDE), Image.Resampling.LANCZOS)
    with atomic_write(path) as file:
        small.save(file, format="WEBP", quality=_QUALITY, method=6)


def knn_scores_by(
    data: LabelledFeatures, train: list[str] | None, test: list[str] | None
) -> KnnScores:
    """Return the k-NN scores for the class, and for the source where it is known.

    Args:
        data: Features and classes.
        train: Source of each training image [M], or None.
        test: Source of each test image [N], or None.
    """
    by_class = vote(data, data.train_labels, data.test_labels)
    if train is None or test is None or len(set(test)) < 2 or len(set(train)) < 2:
        return KnnScores(by_class, None)
    number = {name: i for i, name in enumerate(sorted({*train, *test}))}
    labels = (np.array([number[s] for s in part], dtype=np.int64) for part in (train, test))
    return KnnScores(by_class, vote(data, *labels))


def vote(data: LabelledFeatures, train: NDArray[np.int64], test: NDArray[np.int64]) -> float:
    """Return the balanced accuracy of a k-NN classifier (k = 20) for labels of any meaning.

    Args:
        data: Features; the labels in it are not used.
        train: Labels of the training images [M].
        test: Labels of the test images [N]; a label that none has is left out of the mean.
    """
    relabelled = LabelledFeatures(data.train, train, data.test, test)
    k = min(NUM_VOTERS, len(train))
    scores = knn_scores(relabelled, (k,), device=default_device())[k]
    recall = per_class_recall(confusion_matrix(scores, test, relabelled.num_classes))
    return float(np.nanmean(recall))  # the recall of a class without test images is NaN
