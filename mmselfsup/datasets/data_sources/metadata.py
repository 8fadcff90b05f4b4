"""Metadata of the images of a list, from a CSV file: their lesions and their patients.

Letters: N images, D width of a patient's code.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mmselfsup.utils.errors import UserError
from mmselfsup.utils.image_names import cells_of_images, none_found
from mmselfsup.utils.patients import clean_lesion, encode_patient

from .lists import read_rows

_LESION_COLUMNS = ("image", "lesion_id")
_PATIENT_COLUMNS = ("image", "age_approx", "anatom_site_general", "sex")


class Row(NamedTuple):
    """One row of a table: its line number, and the cell of each column."""

    line: int
    cells: dict[str, str]


def read_metadata(path: str, columns: Sequence[str]) -> list[Row]:
    """Return the rows of a CSV file with a header, read as a list is (``lists.read_rows``).

    Args:
        path: The file.
        columns: Names that the header must have; one of them is ``image``.

    Returns:
        The rows, in the order of the file.

    Raises:
        UserError: The file is missing or lacks a column or all rows, or a line has more or fewer
            cells than the header: its cells may be in the wrong columns.
    """
    if not os.path.isfile(path):
        raise UserError(f"{path}: no such CSV file of metadata; check the path")
    header, rows = read_rows(path)
    missing = [name for name in columns if name not in header]
    if missing:
        raise UserError(
            f"{path} lacks the column(s) {', '.join(missing)}; it has: {', '.join(header[:12])}"
        )
    twice = [name for name in columns if header.count(name) > 1]
    if twice:
        raise UserError(
            f"{path}: {header.count(twice[0])} columns are called {twice[0]}: rename one"
        )
    places = [header.index(name) for name in columns]
    return [
        Row(line, dict(zip(columns, (cells[place] for place in places), strict=True)))
        for line, cells in rows
    ]


def read_lesions(path: str, names: Sequence[str]) -> list[str]:
    """Return the lesion of each image.

    Args:
        path: CSV file with the columns ``image`` (with or without extension) and ``lesion_id``,
            such as ISIC_2019_Training_Metadata.csv.
        names: File names of N images, see ``cells_of_images``.

    Returns:
        N lesion ids, ``''`` where none is known.

    Raises:
        UserError: The file is missing, lacks a column, has none of the images, or names one twice
            with two lesions.
    """
    rows = _lesion_rows(path)
    lesions = cells_of_images(names, rows, path)
    if all(lesion is None for lesion in lesions):
        raise UserError(none_found(names, [name for name, _ in rows], path))
    return [lesion or "" for lesion in lesions]


def lesions_in(path: str, names: Sequence[str]) -> list[str | None]:
    """Return the lesion of each image, None where the file has no row of it.

    The arguments are those of ``read_lesions``; that none of the images is there is no error.
    """
    return cells_of_images(names, _lesion_rows(path), path)


def _lesion_rows(path: str) -> list[tuple[str, str]]:
    """Return the name of the image and the lesion of each row."""
    rows = [row.cells for row in read_metadata(path, _LESION_COLUMNS)]
    return [(row["image"], clean_lesion(row["lesion_id"])) for row in rows]


def read_patients(path: str, names: Sequence[str]) -> NDArray[np.float32]:
    """Return the encoded patient of each image.

    Args:
        path: CSV file with the columns ``image`` (with or without extension), ``age_approx``,
            ``anatom_site_general`` and ``sex``, such as ISIC_2019_Training_Metadata.csv. Cells may
            be blank.
        names: File names of N images, see ``cells_of_images``.

    Returns:
        [N, D], see ``mmselfsup.utils.patients.encode_patient``.

    Raises:
        UserError: The file is missing, lacks a column or an image, names an image twice, or its
            row holds a value that is none of ISIC-2019's.
    """
    rows = {f"line {row.line}": row for row in read_metadata(path, _PATIENT_COLUMNS)}
    lines = cells_of_images(names, [(row.cells["image"], line) for line, row in rows.items()], path)
    missing = [name for name, line in zip(names, lines, strict=True) if line is None]
    if missing:
        raise UserError(
            f"{path} has no row for the image {missing[0]} ({len(missing)} of {len(names)} images "
            "lack one): add rows, blank cells are fine, or take the images off the list"
        )
    return np.stack([_encoded(rows[line or ""], path) for line in lines])  # [N, D]


def _encoded(row: Row, path: str) -> NDArray[np.float32]:
    """Return the code [D] of one row."""
    _, age, site, sex = (row.cells[name] for name in _PATIENT_COLUMNS)
    try:
        return encode_patient(age, site, sex)
    except UserError as error:
        raise UserError(f"{path}, line {row.line} ({row.cells['image']}): {error}") from error
