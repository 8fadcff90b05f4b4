"""Images that the challenge's files list, and which of them can be used."""

import sys
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from .challenge_csv import read_ground_truth, read_lesion_ids
from .labels import CLASSES
from .layout import GROUND_TRUTH, METADATA, find_csv


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
