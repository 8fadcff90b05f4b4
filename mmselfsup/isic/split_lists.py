"""Lists of a split, their summary, and a table of it."""

import hashlib
from pathlib import Path
from typing import Any

import pandas as pd
from rich.box import SIMPLE
from rich.table import Table

from mmselfsup.utils.errors import UserError
from mmselfsup.utils.files import atomic_write_json, atomic_write_text

from .challenge_test import LIST as TEST_LIST
from .fold_checks import source_counts
from .labels import CLASSES

SUMMARY = "splits.json"
DUPLICATES = "duplicates.csv"
PARTS = ("train", "test", "subtrain", "val")


def list_name(part: str, fold: int) -> str:
    """Return the file name of a list: ``part`` is one of ``PARTS``, ``fold`` counts from 0."""
    return f"ISIC_2019_{part}_fold{fold}.txt"


def write_lists(out: Path, table: pd.DataFrame, facts: dict[str, Any]) -> dict[str, Any]:
    """Write four lists for each fold, then ``splits.json``.

    ``splits.json`` is removed first (``remove_old``) and written last: where it exists, the lists
    are complete and belong together.

    Args:
        out: Folder of the lists, created if it is missing.
        table: Columns ``file``, ``label``, ``lesion``, ``fold`` (int), ``validation_{k}`` (bool).
        facts: Other entries of ``splits.json``; ``num_folds`` is needed.

    Returns:
        ``facts`` with the counts and, under ``folds``, name, size and classes of each list.

    Raises:
        UserError: ``out`` can't be written.
    """
    num_folds: int = facts["num_folds"]
    folds = []
    for fold in range(num_folds):
        test = table["fold"] == fold
        held_out = table[f"validation_{fold}"]
        rows = (~test, test, ~test & ~held_out, held_out)
        parts = {
            part: _write_list(out / list_name(part, fold), table[chosen])
            for part, chosen in zip(PARTS, rows, strict=True)
        }
        parts["test"]["source_counts"] = source_counts(table[test])
        folds.append({"fold": fold, **parts})
    lesions = table.loc[table["lesion"] != "", "lesion"]
    counts = {
        "num_images": len(table),
        "num_lesions": int(lesions.nunique()),
        "num_without_lesion_id": len(table) - len(lesions),
        "class_counts": _count(table),
        "source_counts": source_counts(table),
    }
    summary = {**facts, **counts, "folds": folds}
    atomic_write_json(out / SUMMARY, summary)
    return summary


def remove_old(out: Path, num_folds: int) -> None:
    """Remove the old summary, and lists that the new split doesn't have."""
    try:
        for name in (SUMMARY, TEST_LIST, DUPLICATES):
            (out / name).unlink(missing_ok=True)
        for part in PARTS:
            for path in out.glob(f"ISIC_2019_{part}_fold*.txt"):
                number = path.stem.rpartition("fold")[2]
                # Lists of lower folds are overwritten; only surplus ones would stay.
                if number.isdigit() and int(number) >= num_folds:
                    path.unlink()
    except OSError as error:
        raise UserError(f"can't write to {out}: {error.strerror or error}") from error


def _write_list(path: Path, rows: pd.DataFrame) -> dict[str, Any]:
    """Write one line for each image, file name and label; return the entry for the summary."""
    lines = [f"{f} {n}\n" for f, n in zip(rows["file"], rows["label"], strict=True)]
    text = "".join(lines)
    atomic_write_text(path, text)
    digest = hashlib.sha256(text.encode()).hexdigest()
    return {
        "file": path.name,
        "num_images": len(rows),
        "class_counts": _count(rows),
        "sha256": digest,
    }


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
