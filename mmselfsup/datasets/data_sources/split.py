"""The training or the validation part of one list: a fold that never divides a group."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mmselfsup.utils.errors import ArgumentError, UserError
from mmselfsup.utils.folds import assign_folds

PARTS = ("train", "val")


def rows_of_part(
    infos: Sequence[Mapping[str, Any]],
    part: str,
    folds: int = 5,
    fold: int = 0,
    seed: int = 0,
    *,
    lesions: Sequence[str] | None = None,
) -> list[int]:
    """Return which images belong to a part of the data.

    The images are dealt into folds by ``mmselfsup.utils.folds.assign_folds``, by class, whole
    groups at a time (``group`` of an image, its lesion without one, else the image itself). Equal
    names, labels, groups and seeds give equal folds, whatever the order of the list. A lesion of
    one image is dealt as that image, so that the folds are those without lesions where each has
    one image. Lesions of several images are dealt before all others of their class, which are dealt
    around them: images of other lesions move, too.

    Args:
        infos: The images, as ``BaseDataSource.load_annotations`` returns them.
        part: ``val``, the images of one fold, or ``train``, all others.
        folds: Number of folds, at least 2.
        fold: Number of the fold that is ``val``, from 0.
        seed: Other seeds give other folds.
        lesions: The lesion of each image, ``''`` where it is not known; None without any.

    Returns:
        Numbers of the images, in their order.

    Raises:
        ArgumentError: ``part`` or ``fold`` is none of these.
        UserError: There are fewer groups than folds.
    """
    if part not in PARTS:
        raise ArgumentError(f"split.part must be one of {', '.join(PARTS)}, got {part!r}")
    if not 0 <= fold < folds:
        raise ArgumentError(f"split.fold must be 0 to {folds - 1} of {folds} folds, got {fold}")
    try:
        dealt = assign_folds(
            class_numbers([info["gt_label"] for info in infos]),
            _keys(infos, lesions or [""] * len(infos)),
            folds,
            seed,
        )
    except ValueError as error:
        raise UserError(
            f"can't split {len(infos)} images: {error}; take fewer folds (own_data.folds), or name "
            "the validation images (own_data.val)"
        ) from error
    return [row for row, number in enumerate(dealt) if (number == fold) == (part == "val")]


def _keys(infos: Sequence[Mapping[str, Any]], lesions: Sequence[str]) -> list[str]:
    """Return a key for each image, equal for the images that stay together."""
    given = [info.get("group") for info in infos]
    names = [group or lesion for group, lesion in zip(given, lesions, strict=True)]
    sizes = Counter(names)
    return [
        f"group {name}" if group or (name and sizes[name] > 1) else f"image {image}"
        for group, name, image in zip(
            given, names, (info["img_info"]["filename"] for info in infos), strict=True
        )
    ]


def class_numbers(labels: Sequence[Any]) -> list[int]:
    """Return one class for each image, by which folds are balanced.

    Args:
        labels: A number, or one 0 or 1 for each class: then it is the rarest class of the image, or
            one class more for images of none.
    """
    if not any(np.ndim(label) for label in labels):
        return [int(label) for label in labels]
    counts = Counter(k for label in labels for k, hit in enumerate(label) if hit > 0)
    none = max((len(label) for label in labels), default=0)
    return [
        min(
            (k for k, hit in enumerate(label) if hit > 0),
            key=lambda k: (counts[k], k),
            default=none,
        )
        for label in labels
    ]
