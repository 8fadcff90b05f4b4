"""Query images and their nearest training images by the features."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mmselfsup.core.evaluation.labelled import LabelledFeatures
from mmselfsup.core.evaluation.nearest import nearest

from .files import Neighbour, Query
from .thumbs import write_thumb

NUM_NEIGHBOURS = 6


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
    # Named by index, as names of images may contain folders; an image may be shown many times.
    info = dataset.data_source.data_infos[i]
    name, thumb = info["img_info"]["filename"], f"{part}_{i}.webp"
    if not (thumbs / thumb).exists():
        write_thumb(Path(info["img_prefix"]) / name, thumbs / thumb)
    return name, int(info["gt_label"]), thumb
