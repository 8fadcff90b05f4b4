"""Search for the near-duplicates of a table of images, and the file that lists them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from mmselfsup.utils.errors import UserError
from mmselfsup.utils.files import atomic_write_text

from .duplicates import DISTANCE, Pair, image_hashes, near_pairs
from .labels import CLASSES
from .split_lists import DUPLICATES


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
