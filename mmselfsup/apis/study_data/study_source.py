"""The images and tables of any data set in the form that the study reads.

``make_source`` writes a folder with ``labels.csv`` (image, label), ``groups.csv`` (image,
lesion_id, the group whatever it is called), ``statistics.txt`` and ``source.json``; ``make_lists``
deals the images into folds. Images stay where they are; those of a MedMNIST file are written as
PNG files.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from mmselfsup.datasets.data_sources import ImageList, ImageNet
from mmselfsup.datasets.data_sources.lists import read_text
from mmselfsup.datasets.data_sources.medmnist import read_npz
from mmselfsup.datasets.statistics import source_statistics, statistics_key
from mmselfsup.isic.duplicates import Duplicates, find_pairs, join_groups
from mmselfsup.utils.errors import UserError
from mmselfsup.utils.files import (
    atomic_write,
    atomic_write_json,
    atomic_write_text,
    csv_text,
)
from mmselfsup.utils.fold_lists import (
    SUMMARY,
    fold_rows,
    list_name,
    remove_old_lists,
    write_list,
)
from mmselfsup.utils.folds import ALGORITHM
from mmselfsup.utils.image_names import image_stem
from mmselfsup.utils.patients import clean_lesion
from mmselfsup.utils.plurals import counted

from .described_table import first_file, joined_table, table_columns, unused_groups

_EXAMPLES = 3


def make_source(
    description: Any, folder: Path, place: Path, size: int, names: dict[str, str]
) -> dict[str, Any]:
    """Write the source folder of a data set, and return the content of ``source.json``.

    Args:
        description: A ``Description`` of ``mmselfsup.study.descriptions``.
        folder: Where relative names of the description are searched.
        place: The source folder.
        size: Side of the images in a training, for the statistics.
        names: File names in the source folder: ``labels``, ``groups``, ``facts``, ``statistics``.

    Raises:
        UserError: A file is missing, a label can't be used, or there are too few images.
    """
    table, missing, images = read_described(description, folder, place)
    classes = list(description.classes) or _in_order(set(table["label"]), bool(description.table))
    counts = [int((table["label"] == name).sum()) for name in classes]
    if len(classes) < 2 or min(counts) < description.folds:
        rare = classes[int(np.argmin(counts))] if counts else "?"
        raise UserError(
            f"{description.name}: {counted(len(classes), 'class')}, "
            f"{counted(min(counts, default=0), 'image')} of {rare}: a study needs two classes, and "
            f"an image of each in all {description.folds} folds"
        )
    atomic_write_text(
        place / names["labels"],
        csv_text([["image", "label"], *zip(table["file"], table["label"], strict=True)]),
    )
    groups = [_source_id(group, description) for group in table["group"]]
    atomic_write_text(
        place / names["groups"],
        csv_text([["image", "lesion_id"], *zip(table["file"], groups, strict=True)]),
    )
    prepared = _statistics(table, images, place / names["statistics"], size, description)
    facts = {
        "name": description.name,
        "images": str(images),
        "examples": table["file"].to_list()[:_EXAMPLES],
        "classes": classes,
        "num_listed": len(table) + missing,
        "num_not_on_disk": missing,
        "value_range": list(description.value_range),
        "prepared": (
            f"{len(table)} of {len(table) + missing} listed images were there; {prepared}"
        ),
    }
    atomic_write_json(place / names["facts"], facts)
    return facts


def read_described(description: Any, folder: Path, place: Path) -> tuple[pd.DataFrame, int, Path]:
    """Return the images on disk (file, label, group), the number of missing ones, and the folder.

    Args:
        description: A ``Description`` of ``mmselfsup.study.descriptions``.
        folder: Where its relative names are searched.
        place: Folder for what has to be written: a joined table, the images of a MedMNIST file.

    Returns:
        Files are named below the returned folder.

    Raises:
        UserError: A file is missing, or a label can't be used.
    """
    description = joined_table(description, folder, place)
    path = first_file(description.table, folder, "table")
    if path is not None and path.suffix.lower() == ".npz":
        return _from_npz(description, path, place), 0, place / "images"
    given = [folder / name for name in description.images]
    folders = [str(one) for one in given if one.is_dir()]
    if path is not None and not given:
        folders = [str(folder)]
    if not folders:
        raise UserError(
            f"{description.name}: none of the folders {', '.join(map(str, given))} is there: name "
            "them with --images"
        )
    classes = list(description.classes) or None
    if path is None:
        if len(folders) > 1:
            raise UserError(
                f"{description.name}: without a table one folder has the folders of the classes, "
                f"and {len(folders)} are given ({', '.join(folders)}): name one with --images"
            )
        source: Any = ImageNet(folders[0], classes)
    else:
        column = description.label_column
        source = _Listed(
            folders,
            classes,
            str(path),
            image_column=description.image_column,
            label_column=list(column) if isinstance(column, tuple) else column,
            group_column=None if description.groups_table else description.group_column,
        )
    table = _table(source, description, folder)
    if not table["group"].any() and (column := unused_groups(description, folder)):
        print(
            f"warning: {column} is not read, and its images may be on both sides of a split: name "
            "it with --group (group_column in a description)",
            file=sys.stderr,
            flush=True,
        )
    return table, getattr(source, "num_missing", 0), _base(source)


def _in_order(labels: Iterable[str], listed: bool) -> list[str]:
    """Return labels as classes are numbered: numbers of a list by their value, names by letters."""
    if listed and all(label.isdecimal() for label in labels):
        return sorted(labels, key=lambda label: (int(label), label))  # 10 comes after 9
    return sorted(labels)


def _base(source: Any) -> Path:
    return Path(source.data_prefix).resolve()


class _Listed(ImageList):
    """The images of a list that are on disk; the others are counted.

    Attributes:
        num_missing: How many are not on disk.
    """

    num_missing = 0

    def load_annotations(self) -> list[dict[str, Any]]:
        every = self.folders
        if len(every) > 1:  # missing images would be an error: which ones are there is seen here
            self._only_there()
        infos = super().load_annotations()
        there = [i for i in infos if os.path.isfile(os.path.join(self.data_prefix, _name(i)))]
        self.num_missing += len(infos) - len(there)
        if not there:
            raise UserError(
                f"{self.ann_file}: none of its {len(infos)} images is in "
                f"{', '.join(every)} (such as {_name(infos[0])})"
            )
        return there

    def _only_there(self) -> None:
        """Drop the entries of images that are in none of the folders."""
        read = self._listed(self.ann_file or "")
        stems = {
            image_stem(name)
            for folder in self.folders
            for _, _, files in os.walk(folder, followlinks=True)
            for name in files
        }
        rows = [row for row, e in enumerate(read.entries) if image_stem(e.name) in stems]
        self.num_missing = len(read.entries) - len(rows)
        if not rows:
            raise UserError(
                f"{self.ann_file}: none of its {len(read.entries)} images is in "
                f"{', '.join(self.folders)} (such as {read.entries[0].name})"
            )
        groups = None if read.groups is None else [read.groups[row] for row in rows]
        kept = read._replace(entries=[read.entries[row] for row in rows], groups=groups)
        self._listed = lambda path: kept  # type: ignore[method-assign]


def _name(info: dict[str, Any]) -> str:
    return str(info["img_info"]["filename"])


def _table(source: Any, description: Any, folder: Path) -> pd.DataFrame:
    """Return file, label and group of the images of a data source."""
    labels = source.get_gt_labels()
    if labels.ndim != 1:
        raise UserError(f"{description.name}: the study needs one label for each image")
    if (labels < 0).any():
        info = source.data_infos[int((labels < 0).argmax())]
        raise UserError(
            f"{source.ann_file}, line {info.get('line')}: {_name(info)} has no label "
            f"({int((labels < 0).sum())} of {len(labels)}); name the column with --label-column"
        )
    classes = source.CLASSES or [str(number) for number in range(int(labels.max()) + 1)]
    table = pd.DataFrame(
        {
            "file": [_name(info) for info in source.data_infos],
            "label": [classes[number] for number in labels],
            "group": getattr(source, "lesions", None) or [""] * len(labels),
        }
    )
    if description.groups_table:
        columns = {"group": description.group_column or "lesion_id"}
        alone = replace(description, table=())
        cells = table_columns(alone, folder, table["file"].to_list(), columns, "groups_table")
        table["group"] = [clean_lesion(cell) for cell in cells["group"]]
    twice = table["file"][table["file"].map(os.path.normpath).duplicated()]
    if len(twice):
        raise UserError(f"{source.ann_file}: the image {twice.iloc[0]} is listed more than once")
    return table.sort_values("file", ignore_index=True)


def _from_npz(description: Any, path: Path, place: Path) -> pd.DataFrame:
    """Write the images of a MedMNIST file as PNG files, unless they are there; return the table."""
    rows, marker = [], place / "images" / ".complete"
    stamp = f"{path.resolve()} {path.stat().st_size} {path.stat().st_mtime_ns}"
    done = marker.is_file() and marker.read_text(encoding="utf-8") == stamp
    for part, (images, labels) in read_npz(str(path)).items():
        if labels.shape[1] != 1:
            raise UserError(f"{path}: the study needs one label for each image")
        for number, (pixels, label) in enumerate(zip(images, labels[:, 0], strict=True)):
            name = f"{part}_{number:06d}.png"
            if not done:
                with atomic_write(place / "images" / name, "wb") as file:
                    Image.fromarray(pixels).save(file, format="png")
            known = description.classes
            if known and label >= len(known):
                raise UserError(f"{path}: label {label} of {name}, but {len(known)} classes")
            rows.append((name, known[label] if known else str(label), ""))
    atomic_write_text(marker, stamp)
    return pd.DataFrame(rows, columns=["file", "label", "group"])


def _source_id(group: str, description: Any) -> str:
    """Return the id of a group as ``lesion_id``: the text before its ``_`` is its collection."""
    if not group or description.sources:
        return group
    return f"{description.folder.replace('_', '-')}_{group}"


def _statistics(table: pd.DataFrame, images: Path, path: Path, size: int, description: Any) -> str:
    """Measure mean and deviation of all images; return words on them.

    They are kept as long as ``statistics_key`` and the folder of the images are the same.
    """
    lists = path.with_name("images.txt")
    atomic_write_text(lists, "".join(f"{name} 0\n" for name in table["file"]))
    more: dict[str, Any] = {}
    if description.value_range:
        more["value_range"] = list(description.value_range)
    source = ImageList(str(images), ann_file=str(lists), **more)
    key = f"{statistics_key(source, size)} {images}"
    if not path.is_file() or key not in read_text(str(path)):
        found = source_statistics(source, [size])
        atomic_write_text(path, f"# {found.num_images} images\n{key}\n{found.config_line()}\n")
    return f"normalised by their own mean and deviation, measured at {size} pixels"


def make_lists(
    source: Path,
    out: Path,
    prefix: str,
    names: dict[str, str],
    classes: Sequence[str],
    num_folds: int = 5,
    seed: int = 0,
    duplicates: Duplicates | None = None,
) -> dict[str, Any]:
    """Write four lists for each fold, and ``splits.json``; return its content.

    Args:
        source: A folder of ``make_source``.
        out: Folder of the lists.
        prefix: Start of their names.
        names: See ``make_source``.
        classes: Names of the classes in the order of their numbers.
        num_folds: Number of folds.
        seed: Other seeds give other folds.
        duplicates: Settings of a search for near-duplicates, which stay in one fold; None: none.

    Raises:
        UserError: The images can't be dealt into folds.
    """
    facts = json.loads((source / names["facts"]).read_text(encoding="utf-8"))
    table = pd.read_csv(source / names["labels"], dtype=str, keep_default_na=False)
    table = table.rename(columns={"image": "file"})
    other = pd.read_csv(source / names["groups"], dtype=str, keep_default_na=False)
    ids = other["lesion_id"].to_list()
    groups = [f"group {g}" if g else f"image {n}" for g, n in zip(ids, table["file"], strict=True)]
    pairs = []
    if duplicates is not None:
        pairs = find_pairs(table, groups, Path(facts["images"]), duplicates)
        groups = join_groups(groups, pairs)
    table["number"] = [list(classes).index(label) for label in table["label"]]
    dealt = fold_rows(table["number"].to_list(), groups, num_folds, seed)
    remove_old_lists(out, prefix, num_folds)
    folds: list[dict[str, Any]] = [{"fold": fold} for fold in range(num_folds)]
    for fold, lists in enumerate(dealt):
        for part, rows in lists.items():
            path, chosen = out / list_name(prefix, part, fold), table.iloc[rows]
            names_of, numbers = chosen["file"].to_list(), chosen["number"].to_list()
            folds[fold][part] = write_list(path, names_of, numbers, classes)
    summary = {
        "algorithm": ALGORITHM,
        "seed": seed,
        "num_folds": num_folds,
        "classes": list(classes),
        "images": facts["images"],
        "num_listed": facts["num_listed"],
        "num_not_on_disk": facts["num_not_on_disk"],
        "num_images": len(table),
        "num_groups": len({g for g in ids if g}),
        "num_without_group": ids.count(""),
        "near_duplicates": None if duplicates is None else len(pairs),
        "folds": folds,
    }
    atomic_write_json(out / SUMMARY, summary)
    return summary
