"""Test sets of other clinics: ``--external NAME=PATH``, and what their prepared folders hold.

PATH is a folder, a table or a description; where NAME is a file of ``configs/study_data``, this
description says how to read it (``PAD-UFES-20``: ``padufes20.yaml``).
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mmselfsup.metrics.class_map import ClassMap, class_map_of
from mmselfsup.utils.errors import UserError
from mmselfsup.utils.files import expanded

from .descriptions import DESCRIPTIONS, Description, read_description

#: Files of a prepared set, as ``mmselfsup.apis.study_data.external_set`` writes them.
IMAGES, TABLE, GROUPS, FACTS = "images.txt", "images.csv", "groups.csv", "external.json"
DUPLICATES = "duplicates.csv"
_NAME = re.compile(r"\w[\w.-]*")
_TABLES = (".csv", ".tsv", ".txt", ".npz")
_TEXTS = (".yaml", ".yml", ".json")
_OWN_COLUMNS = 4  # of the table, before those of the subgroups


@dataclass(frozen=True)
class External:
    """A test set that the user named.

    Attributes:
        name: Its name, in folders and tables.
        text: The value of the option, ``NAME=PATH``.
        description: How to read it.
        folder: Where relative names of the description are searched.
        file: The file of the description, the user's or a shipped one; None: there is none.
    """

    name: str
    text: str
    description: Description
    folder: Path
    file: Path | None = None

    @property
    def reads(self) -> dict[str, Path]:
        """Return the description, the tables and the folders of images, as far as they exist."""
        names = (*self.description.table, *self.description.groups_table)
        names = (*names, *self.description.labels_table, *self.description.images)
        if not self.description.images and not self._has_own_images:
            names = (*names, "")  # as ``study_source.read_described`` searches them
        paths = [self.folder / name for name in names]
        found = [path for path in paths if path.exists()]
        own = {} if self.file is None else {"description": self.file}
        return {**own, **{f"file {n}": path for n, path in enumerate(found)}}

    @property
    def _has_own_images(self) -> bool:
        """Return whether its images are inside its table, a MedMNIST file."""
        return any(name.lower().endswith(".npz") for name in self.description.table)


def find_external(text: str, root: Path) -> External:
    """Return the set that ``NAME=PATH`` names.

    Args:
        text: The value.
        root: The repository, with the shipped descriptions.

    Raises:
        UserError: It has another form, or there is no such file or folder.
    """
    name, equals, place = text.partition("=")
    if not equals or not place or not _NAME.fullmatch(name):
        raise UserError(
            f"--external {text}: give NAME=PATH, PATH a folder, a table or a description"
        )
    path = expanded(place)
    path = path if path.is_absolute() else root / path
    if not path.exists():
        raise UserError(f"--external {text}: {_missing(name, place, path.parent)}")
    shipped = root / DESCRIPTIONS / f"{re.sub('[^a-z0-9]', '', name.lower())}.yaml"
    suffix, file = path.suffix.lower(), None
    if path.is_file() and suffix in _TEXTS:
        file, folder = path, path.parent
        described = read_description(file)
    elif shipped.is_file():
        file, folder = shipped, path
        described = read_description(file)
        if path.is_file():
            described, folder = replace(described, table=(str(path),)), path.parent
    elif path.is_dir():
        described, folder = Description(name, images=(str(path),)), path
    elif suffix in _TABLES:
        described, folder = Description(name, table=(str(path),)), path.parent
    else:
        raise UserError(f"--external {text}: {path.name} is no folder, table or description")
    return External(name, text, replace(described, name=name), folder, file)


def _missing(name: str, place: str, folder: Path) -> str:
    """Say that there is no such set, or that an override of a config was meant."""
    before = "before --external, or after --cfg-options"
    if "." in name and "/" not in place and Path(place).suffix.lower() not in (*_TABLES, *_TEXTS):
        return f"this is no set NAME=PATH but an override of a config, it seems: put it {before}"
    return (
        f"there is no file or folder {place}{'' if Path(place).is_absolute() else f' in {folder}'};"
        f" if it is an override key=value, put it {before}"
    )


def read_externals(texts: Sequence[str], root: Path) -> tuple[External, ...]:
    """Read the values of --external.

    Raises:
        UserError: See ``find_external``; or two sets have one name.
    """
    found = tuple(find_external(text, root) for text in texts)
    names = [external.name.lower() for external in found]
    for name in names:
        if names.count(name) > 1:
            raise UserError(
                f"--external: two sets are called {name!r}: give each set a name of its own"
            )
    return found


@dataclass(frozen=True)
class PreparedSet:
    """A set as its folder holds it.

    Attributes:
        facts: Content of ``external.json``.
        images: File names of the N images.
        labels: Their numbers among the set's K classes.
        groups: Their lesions or patients; ``''`` where it is not known.
        subgroups: N cells by what they divide the images by.
    """

    facts: dict[str, Any]
    images: list[str]
    labels: list[int]
    groups: list[str]
    subgroups: dict[str, list[str]]

    @property
    def class_map(self) -> ClassMap:
        """Return what its classes mean to the model."""
        facts = self.facts
        where = f"external set {facts['name']}"
        return class_map_of(facts["classes"], facts["members"], facts["model_classes"], where)


def read_prepared(folder: Path) -> PreparedSet:
    """Read the folder of a set.

    Raises:
        UserError: A file is missing or damaged.
    """
    try:
        facts = json.loads((folder / FACTS).read_text(encoding="utf-8"))
        with open(folder / TABLE, encoding="utf-8", newline="") as file:
            header, *rows = csv.reader(file)
        numbers = {name: number for number, name in enumerate(facts["classes"])}
        columns = list(zip(*rows, strict=True))
        kinds = dict(zip(header[_OWN_COLUMNS:], columns[_OWN_COLUMNS:], strict=True))
        return PreparedSet(
            facts,
            list(columns[0]),
            [numbers[name] for name in columns[2]],
            list(columns[3]),
            {kind: list(cells) for kind, cells in kinds.items()},
        )
    except (OSError, ValueError, KeyError, IndexError) as error:
        raise UserError(f"{folder}: can't read this external set ({error}); remove it") from error
