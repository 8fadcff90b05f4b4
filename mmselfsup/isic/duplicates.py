"""Near-duplicates: images that look the same although their lesion ids differ.

A perceptual hash (the signs of the low frequencies of a small grey picture, by the library
``imagehash``) changes in a few bits when an image is resized, recompressed or recoloured. 64
bits, as commonly used, are too few for dermoscopy, where most images are a dark blob on bright
skin: this uses 256. Rotated and mirrored copies are not found.

Letters: N images, B bits.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image, ImageOps

from mmselfsup.utils.cpus import available_cores
from mmselfsup.utils.errors import UserError
from mmselfsup.utils.files import atomic_write_text
from mmselfsup.utils.progress import run_parallel

from .challenge import CLASSES

_SIDE = 16  # side of the square of frequencies: B = 256
_ROWS = 512  # rows of the distance matrix computed at a time: all of it would not fit into memory
#: Number of bits that may differ. On the 10,015 images of HAM10000 one pair of different lesions is
#: below it, and 85 of the same lesion; from 32 on, pairs of different lesions merely look alike.
DISTANCE = 24
DUPLICATES = "duplicates.csv"


class Pair(NamedTuple):
    """Two images, by their numbers, and how many of 256 bits differ."""

    first: int
    second: int
    distance: int


def image_hashes(files: Sequence[Path], workers: int | None = None) -> NDArray[np.bool_]:
    """Return the perceptual hashes of image files: [N, B].

    Args:
        files: Paths of the images.
        workers: Number of processes; None for one per core.

    Raises:
        UserError: A file can't be read; the message names it.
    """
    import imagehash  # noqa: F401  # fails before the work starts

    workers = available_cores() if workers is None else workers
    hashes = list(run_parallel(_hash, files, workers, "hashes"))
    return np.array(hashes, dtype=bool).reshape(len(files), _SIDE**2)  # also of no file


def _hash(path: Path) -> NDArray[np.bool_]:
    """Return the hash of one file: [B]."""
    import imagehash  # only for this search, which few users run

    from mmselfsup.datasets.data_sources.decode import open_rgb

    image = _small_jpeg(path) or open_rgb(path)
    return np.asarray(imagehash.phash(image, _SIDE).hash, dtype=bool).ravel()


def _small_jpeg(path: Path) -> Image.Image | None:
    """Return a JPEG file in grey, decoded at down to an eighth of its size where that suffices.

    None for other files: Pillow does not convert all of them to 8 bits of grey correctly.
    """
    from mmselfsup.datasets.data_sources.decode import ImageError, check_size

    try:
        with Image.open(path, formats=("JPEG",)) as image:
            check_size(image.size)
            image.draft("L", (128, 128))
            return ImageOps.exif_transpose(image).convert("L")
    except (ImageError, OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return None  # the full decoder reports what is wrong


def near_pairs(hashes: NDArray[np.bool_], distance: int = DISTANCE) -> list[Pair]:
    """Return all pairs of hashes [N, B] that differ in at most ``distance`` bits, nearest first."""
    signs = np.where(hashes, 1, -1).astype(np.float32)  # [N, B]; a product is B - 2 * distance
    least = hashes.shape[1] - 2 * distance  # whole numbers below 2**24: exact in float32
    pairs = []
    for start in range(0, len(signs), _ROWS):
        # From ``start`` on: each pair once, and half of the work.
        product = signs[start : start + _ROWS] @ signs[start:].T  # [rows, N - start]
        rows, columns = np.nonzero(product >= least)
        bits = (hashes.shape[1] - product[rows, columns]).astype(int) // 2
        close = zip((rows + start).tolist(), (columns + start).tolist(), bits.tolist(), strict=True)
        pairs += [Pair(*pair) for pair in close if pair[0] < pair[1]]
    return sorted(pairs, key=lambda pair: (pair.distance, pair.first, pair.second))


def nearest_known(
    hashes: NDArray[np.bool_], known: NDArray[np.bool_], distance: int = DISTANCE
) -> dict[int, tuple[int, int]]:
    """Return the images that look like a known one.

    Args:
        hashes: [M, B], of the images in question.
        known: [N, B], of the known images.
        distance: Number of bits that may differ.

    Returns:
        By the number of an image, the number of its nearest known one and the bits that differ.
    """
    signs, others = (np.where(of, 1, -1).astype(np.float32) for of in (hashes, known))
    least = hashes.shape[1] - 2 * distance
    found = {}
    for start in range(0, len(signs) if len(others) else 0, _ROWS):
        product = signs[start : start + _ROWS] @ others.T  # [rows, N]
        nearest = product.argmax(axis=1)  # [rows]
        highest = product[np.arange(len(product)), nearest]
        for row in np.flatnonzero(highest >= least):
            bits = int(hashes.shape[1] - highest[row]) // 2
            found[start + int(row)] = int(nearest[row]), bits
    return found


def join_groups(groups: Sequence[str], pairs: Sequence[Pair]) -> list[str]:
    """Return groups in which the groups of each pair are one (union-find).

    Args:
        groups: Key of each of N images.
        pairs: Pairs of images whose groups belong together.

    Returns:
        N keys; a joined group has the alphabetically first key of its parts.
    """
    parent = {group: group for group in groups}

    def root(group: str) -> str:
        while parent[group] != group:
            parent[group] = parent[parent[group]]  # halves the path for later calls
            group = parent[group]
        return group

    for pair in pairs:
        one, other = sorted((root(groups[pair.first]), root(groups[pair.second])))
        parent[other] = one
    return [root(group) for group in groups]


@dataclass(frozen=True)
class Duplicates:
    """Settings of the search for near-duplicates.

    Attributes:
        group: Whether near-duplicates become one group, which no fold separates.
        distance: Number of bits of 256 that may differ, 0..127.
        workers: Number of processes; None for one per core.
    """

    group: bool = False
    distance: int = DISTANCE
    workers: int | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.distance < 128:
            raise UserError(f"--duplicate-distance must be 0..127, got {self.distance}")


def find_pairs(
    table: pd.DataFrame, groups: Sequence[str], folder: Path, settings: Duplicates
) -> list[Pair]:
    """Return the near-duplicates of different groups among the images on disk.

    Args:
        table: Table with the column ``file``, ``''`` where an image is not on disk.
        groups: Key of each image's lesion.
        folder: Folder of the files.
        settings: Settings of the search.

    Returns:
        Pairs of rows of the table, nearest first.
    """
    rows = [row for row, name in enumerate(table["file"]) if name]
    hashes = image_hashes([folder / table["file"][row] for row in rows], settings.workers)
    pairs = (
        Pair(rows[pair.first], rows[pair.second], pair.distance)
        for pair in near_pairs(hashes, settings.distance)
    )
    # Images of one lesion are in one fold anyway: their likeness does no harm.
    return [pair for pair in pairs if groups[pair.first] != groups[pair.second]]


def write_pairs(
    out: Path, table: pd.DataFrame, pairs: Sequence[Pair], settings: Duplicates
) -> dict[str, Any]:
    """Write ``duplicates.csv``: both images, their lesions, classes and folds, and the distance.

    Returns:
        Entries for ``splits.json``: the settings, the number of pairs, how many of them lie in
        different folds, and how many have different classes.
    """
    columns = {"image": "image", "lesion": "lesion_id", "label": "class", "fold": "fold"}
    sides = []
    for side in (0, 1):
        part = table.iloc[[pair[side] for pair in pairs]][list(columns)].reset_index(drop=True)
        part["label"] = [CLASSES[label] for label in part["label"]]
        sides.append(part.rename(columns=columns).add_suffix(f"_{side + 1}"))
    joined = pd.concat(sides, axis=1)
    joined["distance"] = [pair.distance for pair in pairs]
    atomic_write_text(out / DUPLICATES, joined.to_csv(index=False, lineterminator="\n"))
    return {
        "file": DUPLICATES,
        "hash": "imagehash.phash, 256 bits",
        "distance": settings.distance,
        "grouped": settings.group,
        "num_pairs": len(pairs),
        "num_across_folds": int((joined["fold_1"] != joined["fold_2"]).sum()),
        "num_across_classes": int((joined["class_1"] != joined["class_2"]).sum()),
    }
