"""The labels in the cells of a CSV list: numbers, class names, or a column for each class."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from typing import Any

from mmselfsup.utils.errors import UnknownColumnError, UnknownLabelError, UserError
from mmselfsup.utils.patients import NO_VALUE
from mmselfsup.utils.text_numbers import number_in

from ..class_order import spelling
from .columns import LABEL_COLUMNS, Places

NO_LABEL = -1
_FLAGS = {"true": 1.0, "false": 0.0, "": 0.0}  # of a class's column, beside 1 and 0
_JOINTS = "|;"  # signs that join several labels in a cell
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
    texts = [(line, _plain(row[at])) for line, row in rows]
    separator = "," if several is True else several or None
    if classes is None:
        classes = names = _words(texts, separator, path)
    numbers = class_numbers((w for _, text in texts for w in _parts(text, separator)), classes)
    return [
        _label(cell, classes, numbers, f"{path}, line {n}", separator) for n, cell in texts
    ], names


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
            raise UnknownColumnError(
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


def _plain(cell: str) -> str:
    """Return a cell without outer blanks, each accented letter as one character."""
    return unicodedata.normalize("NFC", cell.strip())


def _words(texts: Sequence[tuple[int, str]], separator: str | None, path: str) -> list[str] | None:
    """Return the different words of a column of labels, sorted; None where it has numbers.

    Raises:
        UnknownLabelError: Words stand beside numbers or missing values, or two differ too little.
    """
    lines: dict[str, int] = {}  # where each word stands first
    cells: Counter[bool] = Counter()  # how many are numbers
    for line, text in texts:
        for word in _parts(text, separator):
            lines.setdefault(word, line)
            cells[_is_number(word)] += 1
    words = [word for word in lines if not _is_number(word)]
    missing = [word for word in words if word.lower() in NO_VALUE]
    if len(words) == len(missing):  # an error names the first of these
        return None
    if missing:
        word = next(word for word in words if word not in missing)
        raise UnknownLabelError(
            f"{path}, line {lines[missing[0]]}: {missing[0]!r} looks like a missing label, and "
            f"{word!r} (line {lines[word]}) is a word: leave the cell empty, or, if it is a class, "
            "name all classes: classes=[...]"
        )
    if cells[True]:
        kinds = {"number": next(w for w in lines if _is_number(w)), "word": words[0]}
        wanted, other = ("number", "word") if cells[True] >= cells[False] else ("word", "number")
        raise UnknownLabelError(
            f"{path}, line {lines[kinds[other]]}: label {kinds[other]!r} must be a {wanted}, as "
            f"{kinds[wanted]!r} in line {lines[kinds[wanted]]} is; or name all classes: "
            "classes=[...]"
        )
    _check_words(lines, path)
    return sorted(words)


def _is_number(word: str) -> bool:
    return _number(word) is not None


def _check_words(lines: Mapping[str, int], path: str) -> None:
    """Check that words are different classes.

    Args:
        lines: The line where each word stands first.
        path: The file, for errors.

    Raises:
        UnknownLabelError: Two differ in case or blanks only, or one joins several others.
    """
    first: dict[str, str] = {}
    for word, line in lines.items():
        other = first.setdefault(spelling(word), word)
        if other != word:
            raise UnknownLabelError(
                f"{path}, line {line}: label {word!r} differs from {other!r} (line {lines[other]}) "
                "in its case or blanks only: write both alike, or, if they are two classes, name "
                "all classes: classes=[...]"
            )
        for joint in _JOINTS:
            parts = [part.strip() for part in word.split(joint)]
            if len(parts) > 1 and any(part in lines for part in parts):
                raise UnknownLabelError(
                    f"{path}, line {line}: label {word!r} joins several labels: set "
                    f"multi_label={joint!r} for images of several classes, or, if it is one class, "
                    "name all classes: classes=[...]"
                )


def _parts(text: str, separator: str | None) -> list[str]:
    """Return the labels in a cell."""
    parts = text.split(separator) if separator else [text]
    return [part.strip() for part in parts if part.strip()]


def class_numbers(words: Iterable[str], classes: Sequence[str] | None) -> dict[str, int]:
    """Return the number of the class of each word; a word of no class is left out.

    Where all classes have numbers for names, a word of the same value names the class (``1.0`` for
    ``1``). A whole number that names no class is the place of one, but not beside words that do.

    Args:
        words: Labels as they stand in a list.
        classes: Names of the classes in the order of their numbers, or None.
    """
    classes = [_plain(str(name)) for name in classes or ()]
    names = {name: number for number, name in reversed(list(enumerate(classes)))}
    values: dict[float | None, int] = {}
    if all(map(_is_number, classes)):
        values = {_number(name): number for name, number in names.items()}
    different = set(words)
    found = {word: names.get(word, values.get(_number(word), NO_LABEL)) for word in different}
    found = {word: number for word, number in found.items() if number != NO_LABEL}
    named = bool(found)
    for word in different - found.keys():
        value = _number(word)
        if value is not None and value == int(value) and (not named or value == NO_LABEL):
            found[word] = int(value)
    return found


def _label(
    cell: str,
    classes: Sequence[str] | None,
    numbers: Mapping[str, int],
    where: str,
    separator: str | None = None,
) -> int | list[int]:
    """Return the label in a cell; an empty one is no label.

    With a separator: one 0 or 1 for each class.
    """
    if separator is not None:
        if classes is None:
            raise UserError(f"{where}: several labels of an image need names, or classes=[...]")
        found = [_label(part, classes, numbers, where) for part in _parts(cell, separator)]
        if wrong := [number for number in found if number not in range(len(classes))]:
            raise UnknownLabelError(
                f"{where}: label {wrong[0]} is not in 0..{len(classes) - 1}; correct the list or "
                "classes"
            )
        return [int(number in found) for number in range(len(classes))]
    if not cell:
        return NO_LABEL
    if cell not in numbers:
        raise UnknownLabelError(f"{where}: label {cell!r} must be {_known_labels(cell, classes)}")
    return numbers[cell]


def _known_labels(cell: str, classes: Sequence[str] | None) -> str:
    """Return which labels are known, and which of them a wrong one may stand for."""
    if not classes:
        if _number(cell) is not None:
            return "a whole number or the name of a class: labels of this list are classes"
        empty = ", or empty for none" if cell.lower() in NO_VALUE else ""
        return f"a number{empty} (or give classes=[...])"
    classes = [str(name) for name in classes]
    lower = {name.lower(): name for name in classes}
    close = get_close_matches(cell.lower(), lower, n=1)
    hint = f"; did you mean {lower[close[0]]}?" if close else ""
    return f"one of {', '.join(classes)}{hint}"


def _number(cell: str) -> float | None:
    """Return a cell as a number, or None."""
    number = number_in(cell)
    # Beyond, float64 skips integers; also inf, NaN.
    return number if number is not None and abs(number) < 2**53 else None


def _one_hot_columns(
    header: Sequence[str],
    rows: Sequence[tuple[int, list[str]]],
    name_at: int,
    classes: Sequence[str] | None,
    path: str,
) -> list[str] | None:
    """Return the names of the one-hot columns: ``classes``, or all that hold 0 and 1 only.

    Columns with ``True`` and ``False``, or with empty cells for 0, are one-hot where every row has
    one 1: others may be facts of the patient.
    """
    if classes is not None:
        missing = [name for name in classes if name not in header]
        if missing:
            raise UnknownColumnError(
                f"{path}: no column {', '.join(LABEL_COLUMNS)}, and no column for the class(es) "
                f"{', '.join(missing)}; there are {', '.join(header)}"
            )
        return list(classes)
    columns = [i for i in range(len(header)) if i != name_at]
    hot = [i for i in columns if all(_number(row[i]) in (0.0, 1.0) for _, row in rows)]
    if len(hot) < 2:
        hot = [i for i in columns if {_flag(row[i]) for _, row in rows} == {0.0, 1.0}]
        if any(sum(_flag(row[i]) == 1.0 for i in hot) != 1 for _, row in rows):
            return None
    return [header[i] for i in hot] if len(hot) > 1 else None


def _flag(cell: str) -> float | None:
    """Return the 0 or 1 of a class in a cell, another number as it is, None for anything else."""
    return _FLAGS.get(cell.strip().lower(), _number(cell))


def _hot(row: Sequence[str], columns: Sequence[int], where: str) -> int:
    """Return which of the columns holds the 1; without columns there is no label."""
    if not columns:
        return NO_LABEL
    cells = [_flag(row[i]) for i in columns]
    if cells.count(1.0) != 1 or cells.count(0.0) != len(cells) - 1:
        raise UserError(
            f"{where}: exactly one class must be 1 and the others 0, got "
            f"{', '.join(row[i] for i in columns)} (images of several classes: multi_label=True; "
            "columns that are no classes: name those that are by label_column=[...])"
        )
    return cells.index(1.0)


def _flags(row: Sequence[str], columns: Sequence[int], where: str) -> list[int]:
    """Return the 0 or 1 of each class, for images that may be of several classes."""
    cells = [_flag(row[i]) for i in columns]
    wrong = [row[i] for i, cell in zip(columns, cells, strict=True) if cell not in (0.0, 1.0)]
    if wrong:
        raise UserError(f"{where}: a column of a class holds 0 or 1, got {wrong[0]!r}")
    return [int(cell or 0) for cell in cells]
