"""The folds of ISIC-2019: lesions as groups, clinics as sources, and a check of the classes.

The folds themselves are dealt by ``mmselfsup.utils.folds``.
"""

from collections.abc import Sequence
from typing import Any

import pandas as pd
from rich.box import SIMPLE
from rich.table import Table

from mmselfsup.utils.errors import UserError
from mmselfsup.utils.folds import ALGORITHM, assign_folds
from mmselfsup.utils.patients import source_of
from mmselfsup.utils.plurals import counted

from .challenge import CLASSES

__all__ = ["ALGORITHM", "assign_folds"]


def lesion_groups(images: Sequence[str], lesions: Sequence[str]) -> list[str]:
    """Return a key for each image, equal for images of one lesion, its own without a lesion id."""
    pairs = zip(images, lesions, strict=True)
    return [f"lesion {lesion}" if lesion else f"image {image}" for image, lesion in pairs]


def lesion_sources(lesions: Sequence[str]) -> list[str]:
    """Return the clinic of each image: the part of its lesion id before the ``_``."""
    return [lesion.partition("_")[0] for lesion in lesions]


def missing_classes(summary_folds: list[dict[str, Any]], parts: tuple[str, ...]) -> list[str]:
    """Return a line for each list that lacks a class: ``fold 3: no DF among the test images``."""
    lines = []
    for fold in summary_folds:
        for part in parts:
            counts: dict[str, int] = fold[part]["class_counts"]
            absent = [name for name, count in counts.items() if count == 0]
            if absent:
                lines.append(f"fold {fold['fold']}: no {', '.join(absent)} among the {part} images")
    return lines


def check_folds(table: pd.DataFrame, num_folds: int) -> None:
    """Check that the training and test images of each fold have all classes.

    The recall of a class without images is not defined, so balanced accuracies of such folds can't
    be compared.

    Args:
        table: Table with the columns ``label`` and ``fold``, see ``write_lists``.
        num_folds: Number of folds.

    Raises:
        UserError: A class is missing; the message names the first fold and what to do.
    """
    counts = pd.crosstab(table["fold"], table["label"]).reindex(
        index=range(num_folds), columns=range(len(CLASSES)), fill_value=0
    )
    totals = counts.sum()
    folds = [
        {
            "fold": fold,
            "test": {"class_counts": dict(zip(CLASSES, counts.loc[fold], strict=True))},
            "train": {"class_counts": dict(zip(CLASSES, totals - counts.loc[fold], strict=True))},
        }
        for fold in range(num_folds)
    ]
    lines = missing_classes(folds, ("test", "train"))
    if lines:
        lacking = totals[((counts == 0) | (counts == totals)).any()]
        rare = int(lacking.idxmin())  # the rarest of the classes that a list lacks
        raise UserError(
            f"{lines[0]} ({counted(len(lines), 'such list')}; "
            f"{counted(int(lacking[rare]), 'image')} of {CLASSES[rare]} in all): "
            "take fewer --folds, get the missing images, or allow it with --allow-missing-class"
        )


def source_counts(rows: pd.DataFrame) -> dict[str, dict[str, int]]:
    """Return the number of images of each class by source: HAM, BCN, MSK, none (no lesion id)."""
    sources = rows["lesion"].map(source_of)
    counts = pd.crosstab(sources, rows["label"]).reindex(columns=range(len(CLASSES)), fill_value=0)
    return {
        str(source): {name: int(row[label]) for label, name in enumerate(CLASSES)}
        for source, row in counts.iterrows()
    }


def source_table(summary: dict[str, Any]) -> Table:
    """Return a table of the test images of each fold by source and class."""
    table = Table(
        title="test images by source", box=SIMPLE, padding=0, title_justify="left", show_edge=False
    )
    for name in ("fold", "source", *CLASSES, "sum"):
        table.add_column(name, justify="right", no_wrap=True)
    folds = [(str(fold["fold"]), fold["test"]["source_counts"]) for fold in summary["folds"]]
    for name, counts in (*folds, ("all", summary["source_counts"])):
        for source, row in counts.items():
            values = [row[label] for label in CLASSES]
            table.add_row(name, source, *map(str, (*values, sum(values))))
            name = ""  # a fold's number is in its first row only
        if len(summary["source_counts"]) > 1:
            table.add_section()
    return table
