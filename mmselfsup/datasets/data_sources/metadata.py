"""Tables with metadata of the images of a list."""

from __future__ import annotations

import csv
import os
from collections.abc import Sequence
from typing import NamedTuple

from mmselfsup.utils.errors import UserError

from .entries import has_image_extension, read_text


class Row(NamedTuple):
    """One row of a table: its line number, and the cell of each column."""

    line: int
    cells: dict[str, str]


def read_metadata(path: str, columns: Sequence[str]) -> list[tuple[str, Row]]:
    """Return the rows of a CSV file with a header.

    Args:
        path: The file.
        columns: Names that the header must have; one of them is ``image``.

    Returns:
        The stem of the image and the row, in the order of the file.

    Raises:
        UserError: The file is missing or lacks a column, or a line has more or fewer cells than
            the header: its cells may be in the wrong columns.
    """
    if not os.path.isfile(path):
        raise UserError(f"{path}: no such CSV file of metadata; check the path")
    rows = csv.DictReader(read_text(path).splitlines())
    rows.fieldnames = [name.strip() for name in rows.fieldnames or ()]
    missing = [name for name in columns if name not in rows.fieldnames]
    if missing:
        raise UserError(
            f"{path} lacks the column(s) {', '.join(missing)}; it has: "
            f"{', '.join(rows.fieldnames[:12])}"
        )
    table = []
    for cells in rows:
        if None in cells or None in cells.values():
            raise UserError(
                f"{path}, line {rows.line_num}: the header has {len(rows.fieldnames)} cells, this "
                "line another number"
            )
        row = Row(rows.line_num, {name: cells[name] for name in columns})
        table.append((stem(row.cells["image"]), row))
    return table


def stem(name: str) -> str:
    """Return the name of a file without folders and without the extension of an image."""
    name = os.path.basename(name.strip())
    return os.path.splitext(name)[0] if has_image_extension(name) else name
