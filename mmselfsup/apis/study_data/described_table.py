"""The table of a described data set: found, filtered, joined with a second one.

Some sets have the labels in a table of lesions and the images in another (MILK10k), rows that don't
count, or file names that several columns make up (PH2). ``joined_table`` writes one table that has
all of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from string import Formatter
from typing import Any

from mmselfsup.datasets.data_sources.columns import Columns, find_columns
from mmselfsup.datasets.data_sources.lists import read_rows
from mmselfsup.utils.errors import UserError
from mmselfsup.utils.files import atomic_write_text, csv_text
from mmselfsup.utils.image_names import cells_of_images, none_found

_JOINED = "table.csv"
_FILE = "file"  # column of the names that ``Description.file`` makes
_GROUP_COLUMNS = ("lesion_id", "lesion", "patient_id", "patient")  # usual names, in small letters


def first_file(names: Sequence[str], folder: Path, key: str) -> Path | None:
    """Return the first file that exists; None where none is named.

    Raises:
        UserError: None exists.
    """
    paths = [folder / name for name in names]
    for path in paths:
        if path.is_file():
            return path
    if paths:
        raise UserError(
            f"{key}: there is no file {', '.join(map(str, paths))}; --root names the folder of the "
            "data"
        )
    return None


def joined_table(description: Any, folder: Path, place: Path) -> Any:
    """Return a description whose one table has the rows and columns that count.

    Args:
        description: A ``Description`` of ``mmselfsup.study.descriptions``; without ``only``,
            ``labels_table`` and ``file`` it is returned as it is.
        folder: Where its relative names are searched.
        place: The joined table is written into this folder.

    Raises:
        UserError: A file or column is missing, or no row is left.
    """
    if not (description.only or description.labels_table or description.file):
        return description
    path = first_file(description.table, folder, "table")
    if path is None:
        raise UserError(f"{description.name}: only, labels_table and file need a table")
    header, rows = _read(path)
    for column, value in description.only.items():
        _need_one(header, column, f"{path}: only")
        rows = [row for row in rows if row[column] == value]
        if not rows:
            raise UserError(f"{path}: no row has {value!r} in its column {column}")
    labels = first_file(description.labels_table, folder, "labels_table")
    if labels is not None:
        header = _join(header, rows, labels, description, path)
    column = description.image_column
    if description.file:
        parts = _columns_of(description.file, header, path)
        header, column = [*header, _FILE], _FILE
        for row in rows:
            cells = {name: row[name].strip() for name in parts}
            try:
                row[_FILE] = description.file.format_map(cells)
            except ValueError as error:  # of text, such as :05d
                raise UserError(f"file {description.file!r}: {error}; cells are text") from None
    text = csv_text([header, *([row[name] for name in header] for row in rows)])
    atomic_write_text(place / _JOINED, text)
    return replace(
        description,
        table=(str((place / _JOINED).absolute()),),
        image_column=column,
        labels_table=(),
        only={},
        file="",
    )


def table_columns(
    description: Any,
    folder: Path,
    names: Sequence[str],
    columns: Mapping[str, str],
    key: str = "subgroups",
) -> dict[str, list[str]]:
    """Return cells of the table of a data set, or of its table of groups.

    Args:
        description: A ``Description``, after ``joined_table``.
        folder: Where its relative names are searched.
        names: File names of N images, see ``cells_of_images``.
        columns: Column by the name under which its N cells are returned.
        key: The key of the description that names the columns, for errors.

    Returns:
        N cells for each name, ``''`` where the table has no row of the image.

    Raises:
        UserError: No table has a column, or it names none of the images, or one twice with two
            cells.
    """
    given = {"table": description.table, "groups_table": description.groups_table}
    paths = [p for k, of in given.items() if (p := first_file(of, folder, k)) is not None]
    read = [(path, *_read(path)) for path in paths if path.suffix.lower() != ".npz"]
    found = {}
    for name, column in columns.items():
        table = next((table for table in read if column in table[1]), None)
        if table is None:
            there = "; ".join(f"{path} has {', '.join(h)}" for path, h, _ in read)
            raise UserError(
                f"{description.name}: {key}: no column {column!r} ({there or 'no table'})"
            )
        path, header, rows = table
        _need_one(header, column, f"{path}: {key}")
        image = _image_column(header, description.image_column)
        pairs = [(row[image], row[column].strip()) for row in rows]
        cells = cells_of_images(names, pairs, f"{path}, column {column}")
        if names and all(cell is None for cell in cells):
            raise UserError(none_found(names, [name for name, _ in pairs], f"{path}"))
        found[name] = [cell or "" for cell in cells]
    return found


def _read(path: Path) -> tuple[list[str], list[dict[str, str]]]:
    """Return the header of a CSV file, and its rows by column."""
    header, rows = read_rows(str(path))
    return header, [dict(zip(header, cells, strict=True)) for _, cells in rows]


def _need_one(header: Sequence[str], column: str, where: str) -> None:
    """Check that one column has a name; of several the last would be read.

    Raises:
        UserError: None has it, or several.
    """
    if column not in header:
        raise UserError(f"{where}: there is no column {column!r}; there are {', '.join(header)}")
    if header.count(column) > 1:
        raise UserError(f"{where}: {header.count(column)} columns are called {column}: rename one")


def _is_read(description: Any, column: str) -> bool:
    """Return whether a description reads a column; True where a header says what labels are."""
    label = description.label_column
    labels = label if isinstance(label, tuple) else (label,)
    named = (*labels, *description.subgroups.values(), description.image_column)
    return label is None or column in named or f"{{{column}" in description.file


def _join(
    header: list[str], rows: list[dict[str, str]], labels: Path, description: Any, path: Path
) -> list[str]:
    """Add the columns of the second table to the rows; return the new header.

    A column that is not read is left out where two rows of a key differ in it, such as the name of
    an image in a table of lesions.
    """
    key = description.group_column or "lesion_id"
    other, lines = _read(labels)
    _need_one(header, key, str(path))
    _need_one(other, key, str(labels))
    new = [name for name in other if name not in header]
    by_key: dict[str, dict[str, str]] = {}
    asked = {row[key] for row in rows}
    for line in lines:
        first = by_key.setdefault(line[key], line)
        differing = [name for name in new if first[name] != line[name] and line[key] in asked]
        needed = [name for name in differing if _is_read(description, name)]
        if needed:
            raise UserError(
                f"{labels}: two rows have {key} {line[key]!r}, and they differ in {needed[0]} "
                f"({first[needed[0]]}, {line[needed[0]]}): keep the one that is right"
            )
        new = [name for name in new if name not in differing]
    for row in rows:
        if not row[key].strip():
            raise UserError(
                f"{path}: a row has no {key}, by which {labels} has the labels: fill it in, or "
                f"take the row out (its {header[0]} is {row[header[0]]!r})"
            )
        if row[key] not in by_key:
            raise UserError(f"{labels}: there is no row with {key} {row[key]!r}, which {path} has")
        row.update({name: by_key[row[key]][name] for name in new})
    return [*header, *new]


def _columns_of(template: str, header: Sequence[str], path: Path) -> list[str]:
    """Return the columns that a template of file names has in braces.

    Raises:
        UserError: One is not there, or something else than a column is in braces.
    """
    try:
        parts = [part for part in Formatter().parse(template) if part[1] is not None]
    except ValueError as error:
        raise UserError(f"file {template!r}: {error}; give columns in braces") from None
    for _, name, _, _ in parts:
        if name not in header:
            raise UserError(
                f"{path}: file {template!r} has a column that is not there ({name}); there are "
                f"{', '.join(header)}"
            )
        _need_one(header, str(name), f"{path}: file")
    return [str(name) for _, name, _, _ in parts]


def unused_groups(description: Any, folder: Path) -> str:
    """Return the column of a table that seems to name groups and is not read; '' for none.

    Args:
        description: A ``Description``, after ``joined_table``, whose groups are not known.
        folder: Where its relative names are searched.
    """
    path = first_file(description.table, folder, "table")
    if path is None or description.group_column or description.groups_table:
        return ""
    try:
        header, rows = _read(path)
    except UserError:  # a text list has no columns
        return ""
    for name in header:
        values = [row[name] for row in rows if row[name]]
        if name.lower() in _GROUP_COLUMNS and len(set(values)) < len(values):
            return f"{path}: the column {name}"
    return ""


def _image_column(header: Sequence[str], given: str | None) -> str:
    """Return the column of the file names of a table that has been read before."""
    if given in header:
        return str(given)
    places = find_columns(header, Columns(), "")
    return header[places.image]
