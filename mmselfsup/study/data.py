"""The data of a study: the official CSVs, and lists of images, its own or the user's.

Each fold has four lists (``PARTS``). The study makes them, or the user gives them (SPLITS), and
then they are checked before hours of training. Pre-trainings see the training list, or, with
--ssl-on all, that and the test list in one.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import shlex
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mmselfsup.utils.cli import ArgumentParser
from mmselfsup.utils.errors import UserError
from mmselfsup.utils.files import atomic_write_text, expanded, sha256
from mmselfsup.utils.study_data import StudyData, TableFile

from .records import DataFacts
from .settings import ALL, StudySettings

if TYPE_CHECKING:
    from mmselfsup.datasets.data_sources.lists import Entry

PARTS = ("train", "subtrain", "val", "test")
SPLIT_SEED = 0  # the folds are the same for every SEED: otherwise seeds couldn't be compared
#: Options of the command that makes the lists, which the study sets.
_OWN = ("--root", "--out", "--folds", "--images")


def read_splits(text: str, data: StudyData) -> tuple[Path | None, tuple[str, ...]]:
    """Read SPLITS: a folder of ready lists, or options of the command that makes lists.

    Raises:
        UserError: It is neither, or an option is the study's own.
    """
    folder = expanded(text)
    if not text or folder.is_dir():
        return (folder if text else None), ()
    try:
        options = tuple(shlex.split(text))
    except ValueError as error:
        raise UserError(f"SPLITS={text}: {error}") from None
    if not options or not options[0].startswith("--"):
        raise UserError(
            f"SPLITS={text}: there is no such folder; give a folder of ready lists, or options of "
            f"{data.split_command[0]} such as '--group-duplicates'"
        )
    for option in options:
        name = option.split("=", 1)[0]
        # startswith: argparse accepts abbreviations such as --fo.
        if name.startswith("--") and any(own.startswith(name) for own in _OWN):
            raise UserError(
                f"SPLITS: {name} can't be given, the study sets it ({data.root_variable} names the "
                "data); make the lists yourself and give their folder"
            )
    return None, options


def ground_truth_csv(settings: StudySettings) -> Path | None:
    """Return the CSV of the labels; None without one."""
    return _csv(settings, settings.data.labels)


def metadata_csv(settings: StudySettings) -> Path | None:
    """Return the CSV of the lesions; None without one."""
    return _csv(settings, settings.data.groups)


def check_fold(settings: StudySettings) -> None:
    """Check that the lists of the fold exist or can be made.

    Raises:
        UserError: There is no such fold.
    """
    if settings.ready_splits is None:
        last = settings.data.num_folds - 1
        if settings.fold > last:
            raise UserError(f"fold {settings.fold}: the folds are 0 to {last}")
        return
    missing = [settings.split(part).name for part in PARTS if not settings.split(part).is_file()]
    if missing:
        raise UserError(
            f"SPLITS={settings.ready_splits} lacks {', '.join(missing)}; each fold has four lists, "
            f"see {settings.data.guide}"
        )


def data_facts(settings: StudySettings, images: Path) -> DataFacts:
    """Describe the images and lists."""
    patterns = [settings.data.list_name(part, "*") for part in PARTS]
    every = (path for pattern in patterns for path in settings.splits_dir.glob(pattern))
    # Of all folds: runs of different folds belong together only if all lists are the same.
    joined = "".join(f"{path.name} {sha256(path)}\n" for path in sorted(every))
    return DataFacts(
        images=str(images.resolve()),
        lists=hashlib.sha256(joined.encode()).hexdigest(),
        sha256={part: sha256(settings.split(part)) for part in PARTS},
    )


def listed_classes(settings: StudySettings) -> list[str] | None:
    """Return the classes of the lists in the order of their numbers; None of lists without summary.

    Raises:
        UserError: The summary can't be read.
    """
    summary = settings.splits_dir / "splits.json"
    if not summary.is_file():  # the user's own lists
        return None
    try:
        return [*map(str, json.loads(summary.read_text(encoding="utf-8"))["classes"])]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{summary}: can't read the key classes ({error})") from error


def check_class_order(settings: StudySettings, classes: Sequence[str] | None) -> None:
    """Check that a classifier numbers its classes as the lists do, which hold numbers alone.

    Otherwise every table would give the recall of one class the name of another.

    Args:
        settings: The settings.
        classes: Names of the classifier's classes; None: it has none. Other names for the same
            classes can't be told from other classes, and are left to the user.

    Raises:
        UserError: A name that both have is another number.
    """
    listed = listed_classes(settings)
    for number, name in enumerate(classes or ()):
        if listed is not None and name in listed and listed.index(name) != number:
            raise UserError(
                f"FINETUNE_CONFIG names class {number} {name}, and the lists of "
                f"{settings.splits_dir} {listed[number] if number < len(listed) else 'none so'}: "
                f"name the classes of its data sources in the order {', '.join(listed)}"
            )


def _csv(settings: StudySettings, file: TableFile) -> Path | None:
    """Find a CSV as the command of the lists does: named by an option, or below the root."""
    parser = ArgumentParser(prog="SPLITS", usage=argparse.SUPPRESS, add_help=False)
    parser.add_argument(file.option, dest="given")
    given: str | None = parser.parse_known_args(settings.splits)[0].given
    if given is not None:
        return Path(given) if Path(given).is_file() else None
    try:
        return settings.data.find_table(settings.data_root, file.name, file.option)
    except UserError:
        return None


def write_ssl_list(settings: StudySettings) -> None:
    """Join the training and the test list for pre-trainings on all images; otherwise do nothing.

    Each image is listed once. Labels of test images are left out: no method needs them, and
    labels that are not in the list can't be learned from it.

    Raises:
        UserError: A list can't be read, or the joined one can't be written.
    """
    if settings.ssl_on != ALL:
        return
    from mmselfsup.datasets.data_sources.lists import NO_LABEL, read_list  # loads torch

    train, test = (read_list(str(settings.split(part))) for part in ("train", "test"))
    names = {entry.name for entry in train}  # the user's own lists may overlap
    added = [entry.name for entry in test if entry.name not in names]
    lines = [(entry.name, entry.label) for entry in train] + [(name, NO_LABEL) for name in added]
    atomic_write_text(settings.ssl_list, "".join(f"{name} {label}\n" for name, label in lines))
    print(
        f"\nPre-training sees all images: {len(train)} of the training list and {len(added)} of "
        f"the test list, without their labels ({settings.ssl_list})",
        flush=True,
    )


def check_lists(paths: Iterable[Path], images: Path, classes: Sequence[str] | None) -> None:
    """Check that each image of the lists exists and has a label.

    Args:
        paths: The lists.
        images: Folder of the images.
        classes: Names of the classes, in the order of the labels; None: any label from 0.

    Raises:
        UserError: A list is empty or no text, a label isn't one of the classes, or files are
            missing.
    """
    from mmselfsup.datasets.data_sources.lists import read_entries  # loads torch

    for path in paths:
        entries = read_entries(str(path), classes)[0]
        for entry in entries:
            _check_label(path, entry, None if classes is None else len(classes))
        missing = [entry for entry in entries if not (images / entry.name).is_file()]
        if missing:
            raise UserError(
                f"{path}, line {missing[0].line}: {missing[0].name} is not in {images} "
                f"({len(missing)} of {len(entries)} images are missing): take them off the list, "
                "or get them"
            )


def _check_label(path: Path, entry: Entry, num_classes: int | None) -> None:
    label = entry.label
    if isinstance(label, int) and 0 <= label < (num_classes or label + 1):
        return
    wanted = "from 0" if num_classes is None else f"from 0 to {num_classes - 1}"
    raise UserError(
        f"{path}, line {entry.line}: {entry.name!r} must have one label, a number {wanted}"
    )
