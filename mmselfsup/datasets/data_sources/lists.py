"""Lists of images: the file name, label and line number of each entry."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from typing import NamedTuple

from mmselfsup.utils.errors import UserError

IMG_EXTENSIONS = (
    ".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp", ".gif",
)  # fmt: skip
NO_LABEL = -1
_INTEGER = re.compile(r"[+-]?[0-9]+")
_NAME_AND_INTEGERS = re.compile(r"(.*?\S)\s+((?:[+-]?[0-9]+\s+)+)")


class Entry(NamedTuple):
    """An image: its name below the data prefix, its label or labels, and its line (0: no list)."""

    name: str
    label: int | list[int]
    line: int


def has_image_extension(name: str) -> bool:
    """Return whether a name ends like an image file, in small or capital letters."""
    return name.lower().endswith(IMG_EXTENSIONS)


def read_text(path: str) -> str:
    """Return the text of a list; a one-line error where it can't be read."""
    try:  # "-sig": spreadsheets write a byte order mark, which is no part of the first name
        with open(path, encoding="utf-8-sig", newline=None) as file:
            return file.read()
    except FileNotFoundError:
        raise UserError(f"{path}: no such list of images; check ann_file") from None
    except UnicodeDecodeError:
        raise UserError(f"{path}: this is no text in UTF-8; ann_file must be a list") from None
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
        UserError: The list is missing, empty, or no text.
    """
    lines = read_text(path).split("\n")
    entries = [
        Entry(*parse_line(stripped), number)
        for number, line in enumerate(lines, 1)
        if (stripped := line.strip())
    ]
    if not entries:
        raise UserError(f"{path}: the list is empty; a line is 'name label' or 'name'")
    return entries


def parse_line(line: str) -> tuple[str, int | list[int]]:
    """Return the name and the label or labels of a stripped line."""
    words = line.rsplit(None, 1)
    if len(words) == 1 or not _INTEGER.fullmatch(words[1]):
        return line, NO_LABEL
    name, label = words[0], int(words[1])
    if not has_image_extension(name):  # more labels, or a name that ends with a number
        several = _NAME_AND_INTEGERS.fullmatch(name + " ")
        if several and has_image_extension(several[1]):
            return several[1], [*map(int, several[2].split()), label]
    return name, label


def find_images(root: str) -> list[str]:
    """Return all images below ``root``: relative paths, sorted; hidden ones are left out."""
    images = []
    for folder, subfolders, files in os.walk(root, followlinks=True):
        subfolders[:] = [name for name in subfolders if not name.startswith(".")]  # prunes the walk
        below = os.path.relpath(folder, root)
        images += [
            os.path.normpath(os.path.join(below, name))
            for name in files
            if has_image_extension(name) and not name.startswith(".")
        ]
    return sorted(images)


def with_extension(entries: Sequence[Entry], root: str) -> list[Entry]:
    """Return the entries, with missing extensions taken from the image files in ``root``.

    Raises:
        UserError: Two files have that name.
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
    return [entry._replace(name=files.get(entry.name, entry.name)) for entry in entries]


def check_labels(entries: Sequence[Entry], num_classes: int, source: str) -> None:
    """Check that all labels are in the classes, or -1 (not known).

    Raises:
        UserError: For the first label that is not.
    """
    for entry in entries:
        if isinstance(entry.label, list):
            if len(entry.label) != num_classes:
                raise UserError(
                    f"{source}, line {entry.line}: {entry.name!r} has {len(entry.label)} labels, "
                    f"{num_classes} classes are given; correct the list or classes"
                )
        elif not NO_LABEL <= entry.label < num_classes:
            raise UserError(
                f"{source}, line {entry.line}: label {entry.label} of {entry.name!r} is not in "
                f"0..{num_classes - 1}; correct the list or classes"
            )
