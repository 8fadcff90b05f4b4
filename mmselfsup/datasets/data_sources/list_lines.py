"""One line of a text list: the name of an image and its label."""

from __future__ import annotations

import re
from typing import NamedTuple

from mmselfsup.utils.image_names import IMAGE_EXTENSIONS, has_image_extension

from .label_cells import NO_LABEL

#: Labels are counted from class 0: beyond this, an integer is a date or an id, and no class.
MAX_LABEL = 10_000_000
DIGITS = 18  # of the longest integer that is read; more are no label in any case
_INTEGER = re.compile(r"[+-]?[0-9]+")
_NAME_AND_INTEGERS = re.compile(r"(.*?\S)\s+((?:[+-]?[0-9]+\s+)+)")
# A name with the extension of an image, and what follows it.
_NAME_AND_REST = re.compile(
    rf"(.*?(?:{'|'.join(map(re.escape, IMAGE_EXTENSIONS))}))(?:[\s,;]+(\S.*)|\s*([,;]))",
    re.IGNORECASE,
)


class Entry(NamedTuple):
    """An image: its name below the data prefix, its label or labels, and its line (0: no list)."""

    name: str
    label: int | list[int]
    line: int


def parse_line(line: str) -> tuple[str, int | list[int]]:
    """Return the name and the label or labels of a stripped line."""
    words = line.rsplit(None, 1)
    if len(words) == 1 or not _INTEGER.fullmatch(words[1]):
        return line, NO_LABEL
    name, label = words[0], _integer(words[1])
    if not has_image_extension(name):  # more labels, or a name that ends with a number
        several = _NAME_AND_INTEGERS.fullmatch(name + " ")
        if several and has_image_extension(several[1]):
            return several[1], [*map(_integer, several[2].split()), label]
    return name, label


def text_after_name(name: str) -> tuple[str, str] | None:
    """Return the file name in a name and what follows it before a label; None if nothing does."""
    if has_image_extension(name):
        return None
    cut = _NAME_AND_REST.fullmatch(name)
    return None if cut is None else (cut[1], cut[2] or cut[3])


def _integer(word: str) -> int:
    """Return an integer; one of too many digits as 10**18, which is no label."""
    return int(word) if len(word) <= DIGITS else 10**DIGITS
