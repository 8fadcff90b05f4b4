"""The files of a study's data: the official CSVs, and lists of its own or of the user's."""

from __future__ import annotations

import argparse
import hashlib
import shlex
from pathlib import Path
from typing import Any

from mmselfsup.isic.challenge import GROUND_TRUTH, METADATA, find_csv
from mmselfsup.utils.errors import UserError
from mmselfsup.utils.files import sha256

from .settings import StudySettings

PARTS = ("train", "subtrain", "val", "test")
SPLIT_SEED = 0  # the folds are the same for every SEED: otherwise seeds couldn't be compared
NUM_FOLDS = 5
#: Options of ``prepare_splits.py`` that the study sets.
_OWN = ("--root", "--out", "--folds", "--images")


def read_splits(text: str) -> tuple[Path | None, tuple[str, ...]]:
    """Read SPLITS: a folder of ready lists, or options of ``prepare_splits.py``.

    Raises:
        UserError: It is neither, or an option is the study's own.
    """
    folder = Path(text).expanduser()
    if not text or folder.is_dir():
        return (folder if text else None), ()
    try:
        options = tuple(shlex.split(text))
    except ValueError as error:
        raise UserError(f"SPLITS={text}: {error}") from None
    if not options or not options[0].startswith("--"):
        raise UserError(
            f"SPLITS={text}: there is no such folder; give a folder of ready lists, or options of "
            "tools/isic2019/prepare_splits.py such as '--group-duplicates'"
        )
    for option in options:
        name = option.split("=", 1)[0]
        # startswith: argparse accepts abbreviations such as --fo.
        if name.startswith("--") and any(own.startswith(name) for own in _OWN):
            raise UserError(
                f"SPLITS: {name} can't be given, the study sets it (ISIC_ROOT names the data); "
                "make the lists yourself and give their folder"
            )
    return None, options


def ground_truth_csv(settings: StudySettings) -> Path | None:
    """Return the CSV of the labels; None without one."""
    return _csv(settings, "--ground-truth", GROUND_TRUTH)


def metadata_csv(settings: StudySettings) -> Path | None:
    """Return the CSV of the lesions; None without one."""
    return _csv(settings, "--metadata", METADATA)


def check_fold(settings: StudySettings) -> None:
    """Check that the lists of the fold exist or can be made.

    Raises:
        UserError: There is no such fold.
    """
    if settings.ready_splits is None:
        if settings.fold >= NUM_FOLDS:
            raise UserError(f"fold {settings.fold}: the folds are 0 to {NUM_FOLDS - 1}")
        return
    missing = [settings.split(part).name for part in PARTS if not settings.split(part).is_file()]
    if missing:
        raise UserError(
            f"SPLITS={settings.ready_splits} lacks {', '.join(missing)}; each fold has four lists, "
            "see docs/en/prepare_data.md"
        )


def data_facts(settings: StudySettings, images: Path) -> dict[str, Any]:
    """Describe the images and lists.

    Returns:
        ``images``: their folder; ``lists``: a hash of the lists of all folds, thus the same for
        every fold; ``sha256``: that of each list of this fold.
    """
    every = (path for part in PARTS for path in settings.splits_dir.glob(f"ISIC_2019_{part}_fold*"))
    # Of all folds: runs of different folds belong together only if all lists are the same.
    joined = "".join(f"{path.name} {sha256(path)}\n" for path in sorted(every))
    return {
        "images": str(images.resolve()),
        "lists": hashlib.sha256(joined.encode()).hexdigest(),
        "sha256": {part: sha256(settings.split(part)) for part in PARTS},
    }


def _csv(settings: StudySettings, option: str, name: str) -> Path | None:
    """Find a CSV as ``prepare_splits.py`` does: named by an option, or below ISIC_ROOT."""
    parser = argparse.ArgumentParser(prog="SPLITS", usage=argparse.SUPPRESS, add_help=False)
    parser.add_argument(option, dest="given")
    given: str | None = parser.parse_known_args(settings.splits)[0].given
    if given is not None:
        return Path(given) if Path(given).is_file() else None
    try:
        return find_csv(settings.isic_root, name, option)
    except UserError:
        return None
