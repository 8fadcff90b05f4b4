"""The lists of the folds of a study: which rows are in which, their files, and those of before.

Each fold has four: ``test`` is the fold itself, ``train`` all others; ``subtrain`` and ``val`` are
``train`` once more, divided for choosing hyper-parameters.
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .errors import UserError
from .files import atomic_write_text
from .folds import assign_folds

PARTS = ("train", "test", "subtrain", "val")
#: One of this many parts of the training images is held out for choosing hyper-parameters.
VALIDATION_PARTS = 5
SUMMARY = "splits.json"


def list_name(prefix: str, part: str, fold: int | str) -> str:
    """Return the file name of a list; ``*`` as its fold makes a pattern of all folds."""
    return f"{prefix}_{part}_fold{fold}.txt"


def fold_rows(
    labels: Sequence[int],
    groups: Sequence[str],
    num_folds: int,
    seed: int,
    sources: Sequence[str] | None = None,
) -> list[dict[str, list[int]]]:
    """Return the rows of each list of each fold, in ascending order.

    Args:
        labels, groups, num_folds, seed, sources: See ``assign_folds``.

    Raises:
        UserError: There are fewer groups than folds.
    """
    every, origins = list(range(len(labels))), sources or [""] * len(labels)

    def deal(rows: list[int], parts: int, seed: int | str) -> list[int]:
        try:
            return assign_folds(
                [labels[row] for row in rows],
                [groups[row] for row in rows],
                parts,
                seed,
                [origins[row] for row in rows],
            )
        except ValueError as error:
            raise UserError(f"can't split {len(rows)} images: {error}") from error

    fold_of = deal(every, num_folds, seed)
    folds = []
    for fold in range(num_folds):
        train = [row for row in every if fold_of[row] != fold]
        parts = deal(train, VALIDATION_PARTS, f"{seed} validation {fold}")
        held_out = {row for row, part in zip(train, parts, strict=True) if part == 0}
        lists = {
            "train": train,
            "test": [row for row in every if fold_of[row] == fold],
            "subtrain": [row for row in train if row not in held_out],
            "val": sorted(held_out),
        }
        folds.append(lists)
    return folds


def write_list(
    path: Path, names: Sequence[str], labels: Sequence[int], classes: Sequence[str]
) -> dict[str, Any]:
    """Write a list, a line ``name label`` for each image; return its entry for the summary.

    Args:
        path: The list.
        names: File names of N images.
        labels: Their numbers among the classes.
        classes: Names of the classes.

    Returns:
        Name, length and SHA-256 of the list, and its images of each class.
    """
    text = "".join(f"{name} {label}\n" for name, label in zip(names, labels, strict=True))
    atomic_write_text(path, text)
    numbers = list(labels)
    return {
        "file": path.name,
        "num_images": len(numbers),
        "class_counts": {name: numbers.count(number) for number, name in enumerate(classes)},
        "sha256": hashlib.sha256(text.encode()).hexdigest(),
    }


def remove_old_lists(out: Path, prefix: str, num_folds: int, others: Sequence[str] = ()) -> None:
    """Remove the old summary, and lists of folds that the new split doesn't have.

    The summary is written last, so that where it exists the lists are complete and belong together.

    Args:
        out: Folder of the lists.
        prefix: Start of the names of the lists.
        num_folds: Number of folds of the new split, whose lists are overwritten.
        others: Names of further files that belong to the old split.

    Raises:
        UserError: The folder can't be written.
    """
    try:
        for name in (SUMMARY, *others):
            (out / name).unlink(missing_ok=True)
        for part in PARTS:
            for path in out.glob(list_name(prefix, part, "*")):
                number = path.stem.rpartition("fold")[2]
                if number.isdigit() and int(number) >= num_folds:
                    path.unlink()
    except OSError as error:
        raise UserError(f"can't write to {out}: {error.strerror or error}") from error
