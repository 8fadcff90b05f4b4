"""Lists of images, as text or as CSV: the name, label and line number of each entry."""

from __future__ import annotations

import csv
import io
import logging
import os
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from functools import cache
from os.path import normpath
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mmselfsup.utils.errors import UnknownLabelError, UserError
from mmselfsup.utils.image_names import IMAGE_EXTENSIONS, left_out_text, other_image

from .columns import NAME_COLUMNS, Columns, find_columns
from .label_cells import NO_LABEL, group_in, read_labels
from .list_lines import DIGITS, MAX_LABEL, Entry, parse_line, text_after_name
from .packed import PackedEntries
from .text_lists import read_packed

_CSV = (".csv", ".tsv")
_DELIMITERS = ",;\t"
_SEPARATOR = re.compile(r"sep=(.)\n", re.IGNORECASE)  # a first line that Excel writes and reads


class Listed(NamedTuple):
    """A list: its entries, the names of classes that it has, and the group of each entry."""

    entries: Sequence[Entry]
    classes: list[str] | None = None
    groups: list[str] | None = None


def read_text(path: str) -> str:
    """Return the text of a list; a one-line error where it can't be read."""
    try:  # "-sig": spreadsheets write a byte order mark, which is no part of the first name
        with open(path, encoding="utf-8-sig", newline=None) as file:
            return file.read()
    except FileNotFoundError:
        raise UserError(
            f"{path}: no such list of images; check ann_file (None: all images of data_prefix)"
        ) from None
    except UnicodeDecodeError:
        raise UserError(
            f"{path}: this is no text in UTF-8; ann_file must be a list (from a spreadsheet: save "
            "it as 'CSV UTF-8')"
        ) from None
    except OSError as error:
        raise UserError(
            f"{path}: can't read this list ({error.strerror}); check ann_file"
        ) from error


def read_list(path: str) -> list[Entry]:
    """Return the entries of a list, one a line: ``name label``, or ``name`` alone (label -1).

    The last word of a line is the label if it is an integer, so a name may hold blanks. Several
    integers are several labels (``name.jpg 1 0 1``) if the name before them ends like an image
    file.

    Raises:
        UserError: The list is missing, empty, or no text, or a label is no class number.
    """
    lines = read_text(path).split("\n")
    entries = [
        Entry(*parse_line(stripped), number)
        for number, line in enumerate(lines, 1)
        if (stripped := line.strip())
    ]
    if not entries:
        raise UserError(f"{path}: the list is empty; a line is 'name label' or 'name'")
    _check_numbers(entries, path)
    for entry in entries:
        if (cut := text_after_name(entry.name)) is not None:
            raise _no_label(f"{path}, line {entry.line}", *cut)
    return entries


def read_text_list(path: str) -> Sequence[Entry]:
    """Return what ``read_list`` does, in arrays where the list has one label for each image."""
    packed = read_packed(path)
    return read_list(path) if packed is None else packed


def _no_label(where: str, name: str, text: str) -> UserError:
    """Return the error about what stands in place of a label."""
    return UserError(
        f"{where}: {text!r} behind {name!r} is no label; a line is 'name label' with a whole "
        "number from 0 (names of classes, or commas: write a CSV file with a header 'image,label')"
    )


def _check_numbers(entries: Sequence[Entry], path: str) -> None:
    """Check that all labels may be numbers of classes, or -1.

    Raises:
        UserError: For the first label that may not.
    """
    for entry in entries:
        for label in entry.label if isinstance(entry.label, list) else (entry.label,):
            if not NO_LABEL <= label <= MAX_LABEL:
                known = f"{label}" if abs(label) < 10**DIGITS else "a number of many digits"
                raise UserError(
                    f"{path}, line {entry.line}: the label of {entry.name!r} is {known}; classes "
                    f"are numbered from 0 to {MAX_LABEL} at most, -1 is no label (a name that ends "
                    "with a number needs its extension, or a label behind it)"
                )


def report_duplicates(entries: Sequence[Entry], path: str) -> None:
    """Log how many images a list names more than once, and the first of them.

    ``./a.png``, ``sub/../a.png`` and ``a.png`` are one image. Nothing is looked up on the disk:
    two names that are one file by a symbolic link are two images here.
    """
    first: dict[str, Entry] = {}
    suspects: Sequence[Entry] = entries
    if isinstance(entries, PackedEntries) and entries.names.all_plain():
        suspects = entries.take(entries.names.repeated())  # without an object for each image
    again = [e for e in suspects if first.setdefault(normpath(e.name), e) is not e]
    if not again:
        return
    # Lines that contradict each other are worse than lines that count twice.
    shown = next((e for e in again if e.label != first[normpath(e.name)].label), again[0])
    before = first[normpath(shown.name)]
    differ = shown.label != before.label
    labels = f", with the labels {before.label} and {shown.label}" if differ else ""
    other = "" if shown.name == before.name else f", the same as {before.name!r}"
    logging.getLogger("mmselfsup").warning(
        "%s: %d of %d lines repeat an image that was listed before, such as %r%s "
        "(lines %d and %d%s)",
        path, len(again), len(entries), shown.name, other, before.line, shown.line, labels,
    )  # fmt: skip


def find_images(
    root: str,
    extensions: Sequence[str] = IMAGE_EXTENSIONS,
    others: Counter[str] | None = None,
) -> list[str]:
    """Return all files below ``root`` that end with one of the extensions, in any letters.

    Args:
        root: The folder.
        extensions: The endings.
        others: Counts the images of other kinds, by their endings; see ``report_left_out``.

    Returns:
        Their relative paths, sorted; hidden ones are left out.
    """
    return sorted(iter_images(root, extensions, others))


def iter_images(
    root: str,
    extensions: Sequence[str] = IMAGE_EXTENSIONS,
    others: Counter[str] | None = None,
) -> Iterator[str]:
    """Yield what ``find_images`` returns, in no order and without a list of a whole folder.

    A link to a folder is followed, unless the way to it leads through that folder: its images would
    be found again at each turn.
    """
    ends = tuple(extensions)
    folders: list[tuple[str, tuple[str, ...]]] = [("", ())]  # and the folders of links on the way
    while folders:
        below, way = folders.pop()
        with suppress(OSError), os.scandir(os.path.join(root, below)) as entries:
            for entry in entries:
                if entry.name.startswith("."):
                    continue
                if _is_folder(entry):
                    further = way
                    if entry.is_symlink():
                        further = (*way, os.path.realpath(os.path.join(root, below)))
                        if _leads_back(entry.path, further):
                            continue
                    folders.append((os.path.join(below, entry.name), further))
                elif entry.name.lower().endswith(ends):
                    yield os.path.join(below, entry.name)
                elif others is not None and (ending := other_image(entry.name)):
                    others[ending] += 1


def report_left_out(root: str, others: Mapping[str, int]) -> None:
    """Warn, once in a process, of images of other kinds in a folder, which are not read.

    Args:
        root: The folder, for the message.
        others: See ``find_images``.
    """
    if text := left_out_text(others):
        _warn_once(f"{root}: left out, as a folder is not searched for them: {text}")


@cache
def _warn_once(text: str) -> None:
    """Log a warning; data sets of one folder are built several times in a run."""
    logging.getLogger("mmselfsup").warning("%s", text)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    """Return whether an entry is a folder or a link to one; a link that leads nowhere is not."""
    with suppress(OSError):  # here, so that a link to itself doesn't hide what stands behind it
        return entry.is_dir()
    return False


def _leads_back(link: str, way: Sequence[str]) -> bool:
    """Return whether a link leads to one of some folders, or to one above."""
    target = os.path.join(os.path.realpath(link), "")
    return any(os.path.join(folder, "").startswith(target) for folder in way)


def with_extension(entries: Sequence[Entry], root: str) -> list[Entry]:
    """Return the entries, with missing extensions taken from the image files in ``root``.

    Raises:
        UserError: Two files have that name, or a label is no whole number.
    """
    files: dict[str, str] = {}
    ambiguous = set()
    for name in find_images(root):
        stem = os.path.splitext(name)[0]
        if files.setdefault(stem, name) != name:
            ambiguous.add(stem)
    for entry in entries:
        if entry.name in ambiguous:
            raise UserError(
                f"line {entry.line}: {entry.name!r} is more than one image in {root}; write the "
                "names with their extension"
            )
        words = entry.name.rsplit(None, 1)
        if entry.name not in files and len(words) == 2 and words[0] in files:
            raise _no_label(f"line {entry.line}", *words)
    return [entry._replace(name=files.get(entry.name, entry.name)) for entry in entries]


def check_labels(entries: Sequence[Entry], num_classes: int, source: str) -> None:
    """Check that all labels are in the classes, or -1 (not known).

    Raises:
        UserError: For the first label that is not.
    """
    if isinstance(entries, PackedEntries):
        entries = entries.take(_out_of_range(entries.labels, num_classes))
    for entry in entries:
        if isinstance(entry.label, list):
            if len(entry.label) != num_classes:
                raise UserError(
                    f"{source}, line {entry.line}: {entry.name!r} has {len(entry.label)} labels, "
                    f"{num_classes} classes are given; correct the list or classes"
                )
        elif not NO_LABEL <= entry.label < num_classes:
            raise UnknownLabelError(
                f"{source}, line {entry.line}: label {entry.label} of {entry.name!r} is not in "
                f"0..{num_classes - 1}; correct the list or classes"
            )


def _out_of_range(labels: NDArray[Any], num_classes: int) -> NDArray[np.int64]:
    """Return the number of the first label that is wrong, [1], or none, [0]."""
    if labels.ndim == 2:
        return np.arange(int(labels.shape[1] != num_classes))
    return np.flatnonzero((labels < NO_LABEL) | (labels >= num_classes))[:1]


def is_csv(path: str) -> bool:
    """Return whether a list is a CSV file, by its name and its first line."""
    if not path.lower().endswith(_CSV):
        return False
    header = read_text(path).partition("\n")[0].strip()
    return any(d in header for d in _DELIMITERS) or header.lower() in NAME_COLUMNS


def read_names(path: str, classes: Sequence[str] | None = None) -> list[str]:
    """Return the image names of a list, text or CSV; ``classes`` as for ``read_csv``."""
    return [entry.name for entry in read_entries(path, classes)[0]]


def read_entries(
    path: str, classes: Sequence[str] | None = None
) -> tuple[list[Entry], list[str] | None]:
    """Return the entries of a list, text or CSV, see ``read_csv``; a text list names no classes."""
    return read_csv(path, classes) if is_csv(path) else (read_list(path), None)


def read_listed(
    path: str,
    classes: Sequence[str] | None = None,
    columns: Columns = Columns(),  # noqa: B008  # frozen
    several: str | bool = False,
) -> Listed:
    """Return a list, text or CSV, with all that it says; arguments and errors as ``read_table``."""
    if is_csv(path) or (columns != Columns() and path.lower().endswith(_CSV)):
        return read_table(path, classes, columns, several)
    if columns != Columns():
        raise UserError(f"{path}: columns are named, but this is no CSV file with a header")
    return Listed(read_text_list(path))


def read_csv(
    path: str, classes: Sequence[str] | None = None
) -> tuple[list[Entry], list[str] | None]:
    """Return the entries of a CSV file, and the classes that its columns or labels name."""
    listed = read_table(path, classes)
    return list(listed.entries), listed.classes


def read_table(
    path: str,
    classes: Sequence[str] | None = None,
    columns: Columns = Columns(),  # noqa: B008  # frozen
    several: str | bool = False,
) -> Listed:
    """Return the rows of a CSV file with a header.

    The column ``image``, ``filename``, ``name`` or ``path`` names the image. The column ``label``,
    ``target`` or ``class`` holds the label, as a number or as one of ``classes``; where these are
    not given and no label is a number, the words are the classes, in alphabetical order. Without
    it, the label is given by one column of 0 and 1 for each class (one-hot), or else it is -1.
    Tables of ``columns.LAYOUTS`` are known by their header, and ``columns`` names any others.

    Args:
        path: The file; the delimiter may be a comma, a semicolon or a tab.
        classes: Names of the classes, in the order of their numbers.
        columns: Names of its columns.
        several: Whether an image may be of several classes, or of none: then every label is a list
            of 0 and 1, one for each class. A text separates the classes in the column of labels
            (``"|"`` for ``Cardiomegaly|Effusion``; ``True`` is a comma).

    Raises:
        UserError: A column is missing, or a cell is not valid.
    """
    header, rows = read_rows(path)
    places = find_columns(header, columns, path)
    labels, named = read_labels(header, rows, places, classes, several, path)
    names = [row[places.image].strip() for _, row in rows]
    if "" in names:
        raise UserError(f"{path}, line {rows[names.index('')][0]}: the row names no image")
    entries = [Entry(n, lb, ln) for n, lb, (ln, _) in zip(names, labels, rows, strict=True)]
    _check_numbers(entries, path)
    at = places.group
    return Listed(entries, named, None if at is None else [group_in(row[at]) for _, row in rows])


def read_rows(path: str) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """Return the header of a CSV file, and its rows with their line numbers.

    Raises:
        UserError: It has no row, or one of another length than the header.
    """
    text = read_text(path)
    said = _SEPARATOR.match(text)
    text = text[said.end() :] if said else text
    delimiter = max(_DELIMITERS, key=text.partition("\n")[0].count)  # the most frequent one there
    table = csv_rows(text, path, said[1] if said else delimiter)
    header = [name.strip() for name in next(table, (0, []))[1]]
    above = 1 if said else 0  # lines
    rows = [(line + above, row) for line, row in table if any(cell.strip() for cell in row)]
    if not rows:
        raise UserError(f"{path}: the list has a header but no rows")
    for line, row in rows:  # a row of another length would shift its cells to other columns
        if len(row) != len(header):
            raise UserError(f"{path}, line {line}: {len(row)} cells, the header has {len(header)}")
    return header, rows


def csv_rows(text: str, path: str, delimiter: str = ",") -> Iterator[tuple[int, list[str]]]:
    """Yield the rows of a CSV file with their line numbers.

    Only line breaks outside of quotes end a row: U+2028 and U+0085 may be part of a name. Programs
    that quote no cells write some that begin with a quote (``"mole" of a child``): such a row is
    read as far as it stands in one line.

    Raises:
        UserError: A quote isn't closed, or this is no CSV file.
    """
    lines = io.StringIO(text, newline="").readlines()
    rest, begin, end = iter(lines), 0, 0
    reader = csv.reader(rest, delimiter=delimiter, strict=True)
    before = 0  # lines before those of this reader
    while True:
        try:
            row = next(reader, None)
            end = before + reader.line_num
        except csv.Error as error:
            end = before + reader.line_num
            row = _loose_row(lines[begin:end], delimiter)
            if row is None:
                raise UserError(
                    f"{path}, line {begin + 1}: this is no row of a CSV file ({error}); is a quote "
                    "not closed?"
                ) from error
            reader, before = csv.reader(rest, delimiter=delimiter, strict=True), end
        if row is None:
            return
        yield end, row
        begin = end


def _loose_row(lines: Sequence[str], delimiter: str) -> list[str] | None:
    """Return a row of one line, with quotes inside of its cells; None for any other."""
    if len(lines) != 1:  # a quote of another line would take this one for a part of its cell
        return None
    try:
        row = next(csv.reader([lines[0].rstrip("\n") + "\n"], delimiter=delimiter))
    except csv.Error:  # a cell is too long
        return None
    return None if any("\n" in cell for cell in row) else row
