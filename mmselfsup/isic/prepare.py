"""From the challenge's files to the lists that training and testing read."""

import os
import sys
from pathlib import Path
from typing import Any

import pandas as pd

from ..utils.errors import UserError
from .challenge_csv import read_ground_truth, read_lesion_ids
from .labels import CLASSES
from .layout import GROUND_TRUTH, METADATA, find_csv, find_images
from .split_lists import write_lists
from .splits import ALGORITHM, assign_folds, lesion_groups, lesion_sources

#: One part of this many of the training images is held out for choosing hyper-parameters.
VALIDATION_PARTS = 5


def prepare_splits(
    root: str | Path,
    ground_truth: str | Path | None = None,
    metadata: str | Path | None = None,
    images: str | Path | None = None,
    num_folds: int = 5,
    seed: int = 0,
    out: str | Path | None = None,
) -> dict[str, Any]:
    """Write the lists of all folds and ``splits.json``; see ``tools/isic2019/prepare_splits.py``.

    The folds come from the CSV files alone. Images that are not on disk are left out afterwards,
    so that an incomplete download changes no other image's fold.

    Args:
        root: where the data set lies.
        ground_truth, metadata, images: CSV of the labels, CSV of the lesion ids, folder of the
            images; None looks for the official name below ``root``.
        num_folds: number of folds, at least 2.
        seed: other seeds give other folds.
        out: where the lists go; None: ``root/splits``.

    Returns:
        What was written to ``splits.json``.

    Raises:
        UserError: a file is missing or makes no sense, no image is there, ``out`` can't be written.
    """
    root = Path(root)
    listed = _join(root, ground_truth, metadata)
    table = listed[listed["label"] < len(CLASSES)].reset_index(drop=True)
    _split(table, num_folds, seed)
    folder, files = find_images(root, Path(images) if images else None)
    table["file"] = [files.get(name, "") for name in table["image"]]
    _warn_of_missing(listed, table, folder)
    here = table[table["file"] != ""]
    if here.empty:
        raise UserError(f"none of the {len(table)} listed images is in {folder}")
    lists = Path(out) if out else root / "splits"
    facts = {
        "algorithm": ALGORITHM,
        "seed": seed,
        "num_folds": num_folds,
        "classes": list(CLASSES),
        "images": Path(os.path.relpath(folder, lists)).as_posix(),
        "num_listed": len(listed),
        "num_unknown": len(listed) - len(table),
        "num_not_on_disk": len(table) - len(here),
    }
    return write_lists(lists, here, facts)


def _join(root: Path, ground_truth: str | Path | None, metadata: str | Path | None) -> pd.DataFrame:
    """Columns image, label, lesion; sorted by image, so that the rows' order means nothing."""
    truth_csv = Path(ground_truth or find_csv(root, GROUND_TRUTH, "--ground-truth"))
    lesion_csv = Path(metadata or find_csv(root, METADATA, "--metadata"))
    table = read_ground_truth(truth_csv).sort_values("image", ignore_index=True)
    lesions = read_lesion_ids(lesion_csv)
    unknown = [name for name in table["image"] if name not in lesions]
    _warn(
        len(unknown),
        f"images of {truth_csv.name} are not in {lesion_csv.name} (e.g. {_first(unknown)}): "
        "each is taken for a lesion of its own",
    )
    table["lesion"] = [lesions.get(name, "") for name in table["image"]]
    classes = table[table["lesion"] != ""].groupby("lesion")["label"].nunique()
    _warn(int((classes > 1).sum()), "lesions have images of several classes")
    return table


def _split(table: pd.DataFrame, num_folds: int, seed: int) -> None:
    """Add the columns fold and, for each fold k, validation_k (bool; False in the test part)."""
    labels = table["label"].to_list()
    groups = lesion_groups(table["image"].to_list(), table["lesion"].to_list())
    sources = lesion_sources(table["lesion"].to_list())

    def deal(rows: list[int], parts: int, seed: int | str) -> list[int]:
        try:
            return assign_folds(
                [labels[row] for row in rows],
                [groups[row] for row in rows],
                parts,
                seed,
                [sources[row] for row in rows],
            )
        except ValueError as error:
            raise UserError(f"can't split {len(rows)} images: {error}") from error

    table["fold"] = deal(list(range(len(table))), num_folds, seed)
    for fold in range(num_folds):
        train = table.index[table["fold"] != fold].to_list()
        parts = deal(train, VALIDATION_PARTS, f"{seed} validation {fold}")
        held_out = {row for row, part in zip(train, parts, strict=True) if part == 0}
        table[f"validation_{fold}"] = [row in held_out for row in table.index]


def _warn_of_missing(listed: pd.DataFrame, table: pd.DataFrame, folder: Path) -> None:
    """Say which listed images can't be used."""
    unknown = len(listed) - len(table)
    _warn(unknown, f"listed images are UNK, none of {'/'.join(CLASSES)}: left out")
    absent = table.loc[table["file"] == "", "image"].to_list()
    _warn(len(absent), f"listed images are not in {folder} (e.g. {_first(absent)}): left out")


def _first(names: list[str]) -> str:
    """The first name, where there is one."""
    return names[0] if names else "none"


def _warn(count: int, text: str) -> None:
    """Tell the user what was left out, where anything was."""
    if count:
        print(f"warning: {count} {text}", file=sys.stderr, flush=True)
