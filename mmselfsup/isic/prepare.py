"""Preparation of the lists that training and testing read, from the challenge's files.

``prepare_splits`` joins the CSVs, deals the images into folds and writes the lists of each fold,
that of the challenge's own test images (``read_test_list``) and ``splits.json``, the summary of
``fold_table``. Which rows are in which list is the work of ``mmselfsup.utils.fold_lists``.
"""

import hashlib
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from rich.box import SIMPLE
from rich.table import Table

from mmselfsup.utils.errors import UserError
from mmselfsup.utils.files import atomic_write_json, atomic_write_text
from mmselfsup.utils.fold_lists import PARTS, SUMMARY, fold_rows, remove_old_lists, write_list

from .challenge import (
    CLASSES,
    GROUND_TRUTH,
    METADATA,
    TEST_GROUND_TRUTH,
    TEST_IMAGES,
    TEST_METADATA,
    UNKNOWN,
    find_csv,
    find_images,
    read_ground_truth,
    read_image_names,
    read_lesion_ids,
)
from .duplicates import DUPLICATES, Duplicates, find_pairs, join_groups, write_pairs
from .folds import (
    ALGORITHM,
    check_folds,
    lesion_groups,
    lesion_sources,
    source_counts,
)
from .study_data import ISIC_2019

TEST_LIST = f"{ISIC_2019.lists}_challenge_test.txt"


@dataclass(frozen=True)
class Files:
    """Paths of the challenge's files; None searches for the official name below the root.

    Attributes:
        ground_truth: CSV of the labels.
        metadata: CSV of the lesion ids.
        images: Folder of the images.
        test_ground_truth, test_metadata, test_images: The same of the challenge's test set,
            which is optional.
    """

    ground_truth: str | Path | None = None
    metadata: str | Path | None = None
    images: str | Path | None = None
    test_ground_truth: str | Path | None = None
    test_metadata: str | Path | None = None
    test_images: str | Path | None = None


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
    folds = _deal(table, groups, num_folds, seed)
    present = table[table["file"] != ""]
    if not allow_missing_class:
        check_folds(present, num_folds)
    lists = Path(out) if out else root / "splits"
    challenge_test = read_test_list(
        root, files.test_metadata, files.test_ground_truth, files.test_images
    )
    # Near-duplicates and test list were computed above: old lists stay intact up to this line, and
    # after it only writing can fail.
    remove_old_lists(lists, ISIC_2019.lists, num_folds, (TEST_LIST, DUPLICATES))
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
    return write_lists(lists, present, folds, facts)


def _deal(
    table: pd.DataFrame, groups: list[str], num_folds: int, seed: int
) -> list[dict[str, list[int]]]:
    """Add the column fold, and return the rows of each list of each fold."""
    sources = lesion_sources(table["lesion"].to_list())
    folds = fold_rows(table["label"].to_list(), groups, num_folds, seed, sources)
    table["fold"] = 0
    for number, rows in enumerate(folds):
        table.loc[rows["test"], "fold"] = number
    return folds


def join_files(root: Path, files: Files) -> pd.DataFrame:
    """Return a table of image, label and lesion, sorted by image, whatever the files' order."""
    truth_csv = Path(files.ground_truth or find_csv(root, GROUND_TRUTH, "--ground-truth"))
    lesion_csv = Path(files.metadata or find_csv(root, METADATA, "--metadata"))
    table = read_ground_truth(truth_csv).sort_values("image", ignore_index=True)
    lesions = read_lesion_ids(lesion_csv)
    unknown = [name for name in table["image"] if name not in lesions]
    _warn(
        len(unknown),
        f"images of {truth_csv.name} are not in {lesion_csv.name} (e.g. {_first(unknown)}): "
        "each counts as a lesion of its own",
    )
    table["lesion"] = [lesions.get(name, "") for name in table["image"]]
    classes = table[table["lesion"] != ""].groupby("lesion")["label"].nunique()
    _warn(int((classes > 1).sum()), "lesions have images of several classes")
    return table


def warn_of_missing(listed: pd.DataFrame, table: pd.DataFrame, folder: Path) -> None:
    """Warn of the listed images that can't be used."""
    unknown = len(listed) - len(table)
    _warn(unknown, f"listed images are UNK, none of {'/'.join(CLASSES)}: left out")
    absent = table.loc[table["file"] == "", "image"].to_list()
    _warn(len(absent), f"listed images are not in {folder} (e.g. {_first(absent)}): left out")


def _first(names: list[str]) -> str:
    """Return the first name, or ``none``."""
    return names[0] if names else "none"


def _warn(count: int, text: str) -> None:
    """Print a warning if the count is not 0."""
    if count:
        print(f"warning: {count} {text}", file=sys.stderr, flush=True)


def write_lists(
    out: Path, table: pd.DataFrame, folds: Sequence[Mapping[str, list[int]]], facts: dict[str, Any]
) -> dict[str, Any]:
    """Write four lists for each fold, then ``splits.json``.

    ``splits.json`` is removed first (``remove_old_lists``) and written last: where it exists, the
    lists are complete and belong together.

    Args:
        out: Folder of the lists, created if it is missing.
        table: Columns ``file``, ``label``, ``lesion`` of the images on disk, by their rows.
        folds: Rows of each list of each fold, see ``fold_rows``; rows that the table lacks are left
            out.
        facts: Other entries of ``splits.json``.

    Returns:
        ``facts`` with the counts and, under ``folds``, name, size and classes of each list.

    Raises:
        UserError: ``out`` can't be written.
    """
    entries: list[dict[str, Any]] = []
    for fold, lists in enumerate(folds):
        chosen = {part: table[table.index.isin(rows)] for part, rows in lists.items()}
        parts = {part: _write_list(out, part, fold, rows) for part, rows in chosen.items()}
        parts["test"]["source_counts"] = source_counts(chosen["test"])
        entries.append({"fold": fold, **parts})
    lesions = table.loc[table["lesion"] != "", "lesion"]
    counts = {
        "num_images": len(table),
        "num_lesions": int(lesions.nunique()),
        "num_without_lesion_id": len(table) - len(lesions),
        "class_counts": _count(table),
        "source_counts": source_counts(table),
    }
    summary = {**facts, **counts, "folds": entries}
    atomic_write_json(out / SUMMARY, summary)
    return summary


def _write_list(out: Path, part: str, fold: int, rows: pd.DataFrame) -> dict[str, Any]:
    """Write one list; return the entry for the summary."""
    path = out / ISIC_2019.list_name(part, fold)
    return write_list(path, rows["file"].to_list(), rows["label"].to_list(), CLASSES)


def _count(rows: pd.DataFrame) -> dict[str, int]:
    """Return the number of images of each class."""
    return {name: int((rows["label"] == label).sum()) for label, name in enumerate(CLASSES)}


def fold_table(summary: dict[str, Any]) -> Table:
    """Return a table of the test images of each fold by class, and the lengths of the lists."""
    title = f"test images of each class, and length of the lists (seed {summary['seed']})"
    table = Table(title=title, box=SIMPLE, padding=0, title_justify="left")
    for name in ("fold", *CLASSES, *PARTS):
        table.add_column(name, justify="right", no_wrap=True)
    for fold in summary["folds"]:
        counts = [fold["test"]["class_counts"][name] for name in CLASSES]
        sizes = [fold[part]["num_images"] for part in PARTS]
        table.add_row(str(fold["fold"]), *map(str, (*counts, *sizes)))
    table.add_section()
    totals = [summary["class_counts"][name] for name in CLASSES]
    table.add_row("all", *map(str, totals), "", str(summary["num_images"]), "", "")
    return table


@dataclass(frozen=True)
class TestList:
    """A list that is complete, but not written yet.

    Attributes:
        text: Lines of the list.
        facts: For ``splits.json``: name, size, sha256 of the list, ``num_not_on_disk``, and
            ``class_counts`` where there is a ground truth.
    """

    __test__ = False  # else pytest would collect the class as a test

    text: str
    facts: dict[str, Any]

    def write(self, out: Path) -> dict[str, Any]:
        """Write the list into the folder of the lists, whole or not at all; return the facts."""
        atomic_write_text(out / TEST_LIST, self.text)
        return self.facts


def read_test_list(
    root: Path,
    metadata: str | Path | None = None,
    ground_truth: str | Path | None = None,
    images: str | Path | None = None,
) -> TestList | None:
    """Return the list of the challenge's test images, if its files exist; write nothing.

    A line is ``NAME.jpg label`` with a ground truth (labels 0..8, 8 is UNK), else ``NAME.jpg``.
    Images that are not on disk are left out; without any folder of test images the list has all
    of them, for later.

    Args:
        root: Folder of the data set.
        metadata, ground_truth: CSV files; None searches for the official names below ``root``.
        images: Folder of the images; None searches for ``ISIC_2019_Test_Input`` below ``root``.

    Returns:
        The list; None where neither CSV file exists.

    Raises:
        UserError: A file that was named is missing or makes no sense, the ground truth has
            other images than the metadata, or the folder of test images is empty.
    """
    listed = _csv(root, metadata, TEST_METADATA, "--test-metadata")
    truth = _csv(root, ground_truth, TEST_GROUND_TRUTH, "--test-ground-truth")
    if listed is None and truth is None:
        if images is not None:
            raise UserError(
                f"--test-images {images}: no file lists the challenge's test images; put "
                f"{TEST_METADATA} below {root}, or name it with --test-metadata"
            )
        return None
    # Sorted, so that the order of the files' rows has no effect.
    names = sorted(read_image_names(listed or truth or root))
    labels: dict[str, int] = {}
    if truth is not None:
        table = read_ground_truth(truth)
        labels = dict(zip(table["image"], table["label"], strict=True))
        other = sorted(set(names) ^ labels.keys())
        if listed is not None and other:
            raise UserError(
                f"{truth.name} and {listed.name} differ in {len(other)} images (e.g. {other[0]})"
            )
    files = _files(root, images)
    present = [name for name in names if files is None or name in files]
    lines = []
    for name in present:
        file = f"{name}.jpg" if files is None else files[name]
        lines.append(f"{file} {labels[name]}\n" if labels else f"{file}\n")
    text = "".join(lines)
    facts: dict[str, Any] = {"file": TEST_LIST, "num_images": len(present)}
    facts["num_not_on_disk"] = len(names) if files is None else len(names) - len(present)
    facts["sha256"] = hashlib.sha256(text.encode()).hexdigest()
    if labels:
        counted = [labels[name] for name in present]
        facts["class_counts"] = {n: counted.count(i) for i, n in enumerate((*CLASSES, UNKNOWN))}
    return TestList(text, facts)


def _csv(root: Path, given: str | Path | None, name: str, option: str) -> Path | None:
    """Return the file that the user names, else the official one, else None."""
    if given is not None:
        return Path(given)
    try:
        return find_csv(root, name, option)
    except UserError:
        return None


def _files(root: Path, given: str | Path | None) -> dict[str, str] | None:
    """Return the files of the test images by name; None without their folder."""
    if given is not None:
        return find_images(root, Path(given), TEST_IMAGES, "--test-images")[1]
    folders = [root / TEST_IMAGES, *sorted(root.glob(f"*/{TEST_IMAGES}"))]
    folder = next((f for f in folders if f.is_dir()), None)
    if folder is None:
        return None
    return find_images(root, folder, TEST_IMAGES, "--test-images")[1]
