"""A test set of another clinic, prepared for a study: which images count, and what they show.

``make_external`` writes a folder with ``images.txt`` (files without labels: the set's classes are
not the model's), ``images.csv`` (image, label in the set's own names, class, group, and a column
for each kind of subgroup), ``groups.csv`` (image, lesion_id), ``duplicates.csv`` (images left out,
which look like one of the study's), and ``external.json`` (the counts and the class map).
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mmselfsup.datasets.data_sources.lists import read_names
from mmselfsup.isic.duplicates import DISTANCE, image_hashes, nearest_known
from mmselfsup.metrics.class_map import ClassMap, make_class_map
from mmselfsup.utils.errors import UnknownLabelError, UserError
from mmselfsup.utils.files import atomic_write, atomic_write_json, atomic_write_text, csv_text
from mmselfsup.utils.plurals import counted

from .described_table import first_file, joined_table, table_columns
from .study_source import read_described

#: Names of the files in the folder of a set.
IMAGES, TABLE, GROUPS, DUPLICATES = "images.txt", "images.csv", "groups.csv", "duplicates.csv"
FACTS = "external.json"
_HASHES = "known_hashes.npz"  # beside the folders of the sets: the study's own images
#: Columns of ``images.csv`` before those of the subgroups.
COLUMNS = ("image", "label", "class", "group")


def check_external(description: Any, folder: Path, model_classes: Sequence[str]) -> None:
    """Find what is wrong with a set before hours of training, not after.

    Args:
        description: A ``Description`` of ``mmselfsup.study.descriptions``.
        folder: Where its relative names are searched.
        model_classes: Names of the model's classes.

    Raises:
        UserError: A file, a column or an image is missing, or the classes don't fit.
    """
    with tempfile.TemporaryDirectory() as place:
        path = first_file(description.table, folder, "table")
        if path is not None and path.suffix.lower() == ".npz":  # its images would be written
            _map_of(description, description.classes, model_classes)
            return
        _read(description, folder, Path(place), model_classes)


def make_external(
    description: Any,
    folder: Path,
    out: Path,
    model_classes: Sequence[str],
    known: Sequence[Path],
    known_images: Path,
    distance: int = DISTANCE,
) -> dict[str, Any]:
    """Write the folder of a set, and return the content of ``external.json``.

    Args:
        description, folder, model_classes: See ``check_external``.
        out: The folder.
        known: Lists of the study's images: what looks like one of them is left out.
        known_images: Folder of these images.
        distance: Number of 256 bits that may differ between near-duplicates.

    Raises:
        UserError: See ``check_external``; an image can't be read, or one class is left.
    """
    (out / FACTS).unlink(missing_ok=True)  # written last: where it is, the folder is complete
    table, missing, images, classes = _read(description, folder, out, model_classes)
    number = table["label"].map(dict(classes.number))
    left_out = table["label"][number.isna()].value_counts()
    listed = len(table) + missing
    table = table[number.notna()].reset_index(drop=True)
    names = sorted({name for path in known for name in read_names(str(path))})
    hashes = image_hashes([images / name for name in table["file"]])
    found = nearest_known(hashes, _known_hashes(names, known_images, out.parent), distance)
    rows = [[table["file"][row], names[at], bits] for row, (at, bits) in sorted(found.items())]
    atomic_write_text(out / DUPLICATES, csv_text([["image", "known image", "bits"], *rows]))
    table = table.drop(index=list(found)).reset_index(drop=True)
    facts = _counts(description, table, classes, model_classes)
    kinds = [name for name in table.columns if name.startswith(_KIND)]
    _write(out, table, kinds, images, facts["classes"])
    facts |= {
        "name": description.name,
        "images": str(images),
        "listed": listed,
        "not_on_disk": missing,
        "near_duplicates": len(found),
        "distance": distance,
        "left_out": {str(name): int(count) for name, count in sorted(left_out.items())},
        "group": list(description.group),
        "groups": len(set(table["group"]) - {""}),
        "subgroups": [name.removeprefix(_KIND) for name in kinds],
        "value_range": list(description.value_range),
    }
    atomic_write_json(out / FACTS, facts)
    return facts


_KIND = "subgroup: "  # before the name of a kind, so that no kind is called as another column


def _read(
    description: Any, folder: Path, place: Path, model_classes: Sequence[str]
) -> tuple[pd.DataFrame, int, Path, ClassMap]:
    """Return the images on disk, how many are missing, their folder, and the map of all names."""
    joined = joined_table(description, folder, place)
    classes = tuple(description.classes) or tuple(description.map)
    try:
        table, missing, images = read_described(replace(joined, classes=classes), folder, place)
    except UnknownLabelError as error:
        if description.classes:  # then the map is not what names them
            raise
        raise UserError(
            f"external set {description.name}: its map has no entry for a label of its images "
            f"({error}): add a line 'label: class', or 'label: null', which leaves its images out"
        ) from error
    if not description.map and not classes and set(table["label"]).isdisjoint(model_classes):
        table["label"] = [_named(label, model_classes) for label in table["label"]]
    found = _map_of(description, sorted(set(table["label"])), model_classes)
    columns = table_columns(joined, folder, table["file"].to_list(), description.subgroups)
    for kind, cells in columns.items():
        table[f"{_KIND}{kind}"] = cells
    return table, missing, images, found


def _named(label: str, model_classes: Sequence[str]) -> str:
    """Return the model's class of a number in a list without names."""
    number = int(label) if label.isdecimal() else len(model_classes)
    return model_classes[number] if number < len(model_classes) else label


def _map_of(description: Any, labels: Sequence[str], model_classes: Sequence[str]) -> ClassMap:
    where = f"external set {description.name}"
    return make_class_map(description.map, labels, model_classes, where)


def _counts(
    description: Any, table: pd.DataFrame, classes: ClassMap, model_classes: Sequence[str]
) -> dict[str, Any]:
    """Return the classes that have images, with their numbers; they are set in the table.

    Raises:
        UserError: There are fewer than two.
    """
    numbers = [classes.number[label] for label in table["label"]]
    counts = [numbers.count(number) for number in range(len(classes.classes))]
    try:
        present = classes.present(counts)
    except ValueError as error:
        raise UserError(
            f"external set {description.name}: {error}; "
            f"{counted(len(table), 'image is', 'images are')} left without "
            "other classes and near-duplicates of the study's own"
        ) from error
    table["class"] = [present.number[label] for label in table["label"]]
    return {
        "classes": list(present.classes),
        "members": [list(present.names_of(n)) for n in range(len(present.classes))],
        "absent": list(present.absent),
        "counts": [count for count in counts if count],
        "model_classes": list(model_classes),
    }


def _write(
    out: Path, table: pd.DataFrame, kinds: Sequence[str], images: Path, classes: Sequence[str]
) -> None:
    """Write the lists and tables of the images that count."""
    atomic_write_text(out / IMAGES, "".join(f"{name}\n" for name in table["file"]))
    pairs = zip(table["file"], table["group"], strict=True)
    atomic_write_text(out / GROUPS, csv_text([["image", "lesion_id"], *pairs]))
    own = table[["file", "label", "class", "group", *kinds]].copy()
    own["class"] = [classes[number] for number in table["class"]]
    header = [*COLUMNS, *(kind.removeprefix(_KIND) for kind in kinds)]
    atomic_write_text(out / TABLE, csv_text([header, *own.to_numpy().tolist()]))


def _known_hashes(names: Sequence[str], folder: Path, place: Path) -> NDArray[np.bool_]:
    """Return the hashes of the study's images [N, B], kept in a file for the other sets."""
    stats = [(folder / name).stat() for name in names]
    text = "".join(f"{n} {s.st_size} {s.st_mtime_ns}\n" for n, s in zip(names, stats, strict=True))
    key = hashlib.sha256(f"{folder.resolve()}\n{text}".encode()).hexdigest()
    path = place / _HASHES
    if path.is_file():
        with np.load(path) as kept:
            if str(kept["key"]) == key:
                return np.asarray(kept["hashes"])
    hashes = image_hashes([folder / name for name in names])
    with atomic_write(path, "wb") as file:
        np.savez_compressed(file, key=np.array(key), hashes=hashes)
    return hashes
