"""The labels in the cells of a CSV list: numbers, class names, or a column for each class."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches
from typing import Any

from mmselfsup.utils.errors import UnknownLabelError, UserError
from mmselfsup.utils.patients import NO_VALUE

from .columns import LABEL_COLUMNS, Places

NO_LABEL = -1
#: A row of a CSV file: its line number and its cells.
Row = tuple[int, list[str]]


def read_labels(
    header: Sequence[str],
    rows: Sequence[Row],
    places: Places,
    classes: Sequence[str] | None,
    several: str | bool,
    path: str,
) -> tuple[list[Any], list[str] | None]:
    """Return the label of each row, and the names of the classes where the file has them.

    Args:
        header: Names of the columns.
        rows: The rows.
        places: Where the labels are.
        classes: Names of the classes in the order of their numbers; None takes those of the file.
        several: See ``lists.read_table``.
        path: The file, for errors.

    Returns:
        A number for each row, -1 for none; with ``several`` a list of 0 and 1, one for each class.
        The names are None where labels are numbers, and where ``classes`` name them.

    Raises:
        UserError: A cell holds no label.
    """
    if places.label is None:
        return _from_columns(header, rows, places, classes, bool(several), path)
    at, names = places.label, None
    texts = [(line, row[at].strip()) for line, row in rows]
    separator = "," if several is True else several or None
    if classes is None:
        classes = names = _words(texts, separator)
    return [_label(cell, classes, f"{path}, line {n}", separator) for n, cell in texts], names


def _from_columns(
    header: Sequence[str],
    rows: Sequence[Row],
    places: Places,
    classes: Sequence[str] | None,
    several: bool,
    path: str,
) -> tuple[list[Any], list[str] | None]:
    """Return the labels that columns of 0 and 1 give, and the names of the columns."""
    names: list[str] | None = [header[i] for i in places.hot]
    if names and classes is not None:
        if set(names) != set(classes):
            raise UserError(
                f"{path}: the columns of labels are {', '.join(names)}, the classes "
                f"{', '.join(classes)}: name the same"
            )
        names = list(classes)
    names = names or _one_hot_columns(header, rows, places.image, classes, path)
    hot = [header.index(name) for name in names or ()]
    read = _flags if several and hot else _hot
    return [read(row, hot, f"{path}, line {line}") for line, row in rows], names


def group_in(cell: str) -> str:
    """Return the group in a cell, ``''`` where it holds none."""
    return "" if cell.strip().lower() in NO_VALUE else cell.strip()


def _words(texts: Sequence[tuple[int, str]], separator: str | None) -> list[str] | None:
    """Return the different words of a column of labels, sorted; None where it has numbers."""
    words = {word for _, text in texts for word in _parts(text, separator)}
    numbers = any(_number(word) is not None or word.lower() in NO_VALUE for word in words)
    return None if numbers or not words else sorted(words)


def _parts(text: str, separator: str | None) -> list[str]:
    """Return the labels in a cell."""
    parts = text.split(separator) if separator else [text]
    return [part.strip() for part in parts if part.strip()]


def _label(
    cell: str, classes: Sequence[str] | None, where: str, separator: str | None = None
) -> int | list[int]:
    """Return a label given as a number or the name of a class; an empty cell is no label.

    With a separator: one 0 or 1 for each class.
    """
    if separator is not None:
        if classes is None:
            raise UserError(f"{where}: several labels of an image need names, or classes=[...]")
        found = [_label(part, classes, where) for part in _parts(cell, separator)]
        return [int(number in found) for number in range(len(classes))]
    if not cell:
        return NO_LABEL
    if classes is not None and cell in classes:
        return list(classes).index(cell)
    number = _number(cell)
    if number is None or number != int(number):
        raise UnknownLabelError(f"{where}: label {cell!r} must be {_known_labels(cell, classes)}")
    return int(number)


def _known_labels(cell: str, classes: Sequence[str] | None) -> str:
    """Return which labels are known, and which of them a wrong one may stand for."""
    if not classes:
        return "a number (or give classes=[...])"
    lower = {name.lower(): name for name in classes}
    close = get_close_matches(cell.lower(), lower, n=1)
    hint = f"; did you mean {lower[close[0]]}?" if close else ""
    return f"one of {', '.join(classes)}{hint}"


def _number(cell: str) -> float | None:
    """Return a cell as a number, or None."""
    try:
        number = float(cell)
    except ValueError:
        return None
    return number if abs(number) < 2**53 else None  # beyond, float64 skips integers; also inf, NaN


def _one_hot_columns(
    header: Sequence[str],
    rows: Sequence[tuple[int, list[str]]],
    name_at: int,
    classes: Sequence[str] | None,
    path: str,
) -> list[str] | None:
    """Return the names of the one-hot columns: ``classes``, or all that hold 0 and 1 only."""
    if classes is not None:
        missing = [name for name in classes if name not in header]
        if missing:
            raise UserError(
                f"{path}: no column {', '.join(LABEL_COLUMNS)}, and no column for the class(es) "
                f"{', '.join(missing)}; there are {', '.join(header)}"
            )
        return list(classes)
    columns = [i for i in range(len(header)) if i != name_at]
    hot = [i for i in columns if all(_number(row[i]) in (0.0, 1.0) for _, row in rows)]
    return [header[i] for i in hot] if len(hot) > 1 else None


def _hot(row: Sequence[str], columns: Sequence[int], where: str) -> int:
    """Return which of the columns holds the 1; without columns there is no label."""
    if not columns:
        return NO_LABEL
    cells = [_number(row[i]) for i in columns]
    if cells.count(1.0) != 1 or cells.count(0.0) != len(cells) - 1:
        raise UserError(
            f"{where}: exactly one class must be 1 and the others 0, got "
            f"{', '.join(row[i] for i in columns)} (images of several classes: multi_label=True)"
        )
    return cells.index(1.0)


def _flags(row: Sequence[str], columns: Sequence[int], where: str) -> list[int]:
    """Return the 0 or 1 of each class, for images that may be of several classes."""
    cells = [_number(row[i].strip() or "0") for i in columns]
    wrong = [row[i] for i, cell in zip(columns, cells, strict=True) if cell not in (0.0, 1.0)]
    if wrong:
        raise UserError(f"{where}: a column of a class holds 0 or 1, got {wrong[0]!r}")
    return [int(cell or 0) for cell in cells]
