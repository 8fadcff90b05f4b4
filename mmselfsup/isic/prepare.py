"""Preparation of the lists that training and testing read, from the challenge's files."""

import os
from pathlib import Path
from typing import Any

import pandas as pd

from mmselfsup.utils.errors import UserError

from .challenge_test import read_test_list
from .duplicate_pairs import Duplicates, find_pairs, write_pairs
from .duplicates import join_groups
from .fold_checks import check_folds
from .labels import CLASSES
from .layout import find_images
from .listed import Files, join_files, warn_of_missing
from .split_lists import remove_old, write_lists
from .splits import ALGORITHM, assign_folds, lesion_groups, lesion_sources

#: One of this many parts of the training images is held out for choosing hyper-parameters.
VALIDATION_PARTS = 5


def prepare_splits(
    root: str | Path,
    files: Files | None = None,
    num_folds: int = 5,
    seed: int = 0,
    out: str | Path | None = None,
    duplicates: Duplicates | None = None,
    allow_missing_class: bool = False,
) -> dict[str, Any]:
    """Write the lists of all folds and ``splits.json``; see ``tools/isic2019/prepare_splits.py``.

    The folds come from the CSV files alone, unless near-duplicates are grouped. Images that are
    not on disk are left out afterwards, so that an incomplete download changes no other image's
    fold.

    Args:
        root: Folder of the data set.
        files: Paths of its files, where they lie elsewhere.
        num_folds: Number of folds, at least 2.
        seed: Other seeds give other folds.
        out: Folder of the lists; None for ``root/splits``.
        duplicates: Settings of a search for near-duplicates; None for no search.
        allow_missing_class: Whether a list of training or test images may lack a class.

    Returns:
        The content of ``splits.json``.

    Raises:
        UserError: A file is missing or makes no sense, no image is there, a class is missing in a
            fold, ``out`` can't be written.
    """
    root, files = Path(root), files or Files()
    listed = join_files(root, files)
    table = listed[listed["label"] < len(CLASSES)].reset_index(drop=True)
    groups = lesion_groups(table["image"].to_list(), table["lesion"].to_list())
    folder, paths = find_images(root, Path(files.images) if files.images else None)
    table["file"] = [paths.get(name, "") for name in table["image"]]
    warn_of_missing(listed, table, folder)
    if (table["file"] == "").all():
        raise UserError(f"none of the {len(table)} listed images is in {folder}")
    pairs = None if duplicates is None else find_pairs(table, groups, folder, duplicates)
    if pairs is not None and duplicates is not None and duplicates.group:
        groups = join_groups(groups, pairs)
    _split(table, groups, num_folds, seed)
    present = table[table["file"] != ""]
    if not allow_missing_class:
        check_folds(present, num_folds)
    lists = Path(out) if out else root / "splits"
    challenge_test = read_test_list(
        root, files.test_metadata, files.test_ground_truth, files.test_images
    )
    # Near-duplicates and test list were computed above: up to this line, old lists stay intact.
    remove_old(lists, num_folds)  # after this line only writing can fail
    facts: dict[str, Any] = {
        "algorithm": ALGORITHM,
        "seed": seed,
        "num_folds": num_folds,
        "classes": list(CLASSES),
        "images": Path(os.path.relpath(folder, lists)).as_posix(),
        "num_listed": len(listed),
        "num_unknown": len(listed) - len(table),
        "num_not_on_disk": len(table) - len(present),
    }
    if pairs is not None and duplicates is not None:
        facts["duplicates"] = write_pairs(lists, table, pairs, duplicates)
    if challenge_test is not None:
        facts["challenge_test"] = challenge_test.write(lists)
    return write_lists(lists, present, facts)


def _split(table: pd.DataFrame, groups: list[str], num_folds: int, seed: int) -> None:
    """Add the columns fold and, for each fold k, validation_k (bool; False in the test part)."""
    labels = table["label"].to_list()
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
