"""Which columns of a CSV list name the image, its label and its group.

A group is what must not be divided between training and test: the images of one lesion, or of one
patient. The columns are those that the user names, those of a published table that is known by its
header, or those with a usual name.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from mmselfsup.utils.errors import UserError

NAME_COLUMNS = ("image", "filename", "name", "path", "image_id", "image_name", "file")
LABEL_COLUMNS = ("label", "target", "class")


@dataclass(frozen=True)
class Columns:
    """The columns of a CSV list, by their names; None where they are found by the header.

    Attributes:
        image: Column of the file names, with or without extension.
        label: Column of the labels; several for one column of 0 and 1 for each class.
        group: Column of the groups.
    """

    image: str | None = None
    label: str | Sequence[str] | None = None
    group: str | None = None


#: Tables that are published with these columns.
LAYOUTS = {
    "HAM10000, ISIC-2018": Columns("image_id", "dx", "lesion_id"),
    "ISIC-2020": Columns("image_name", "benign_malignant", "patient_id"),
}


@dataclass(frozen=True)
class Places:
    """Where the columns of a list are, counted from 0.

    Attributes:
        image: The file names.
        label: The labels in one column; None where there is none.
        hot: One column for each class, as the user named them.
        group: The groups; None where there is none.
    """

    image: int
    label: int | None
    hot: tuple[int, ...]
    group: int | None


def find_columns(header: Sequence[str], wanted: Columns, path: str) -> Places:
    """Return where the columns are.

    Args:
        header: Names of the columns.
        wanted: The columns that the user names.
        path: The file, for errors.

    Raises:
        UserError: A named column is not there, or none names the image.
    """
    layout = next((known for known in LAYOUTS.values() if _fits(known, header)), Columns())
    image = _place(header, wanted.image or layout.image, "image_column", path)
    if image is None:
        image = _first(header, NAME_COLUMNS, path)
    if image is None:
        raise UserError(
            f"{path}: none of the columns {', '.join(header)} names the image; call it one of "
            f"{', '.join(NAME_COLUMNS)}, or name it by image_column (--image-column)"
        )
    group = _place(header, wanted.group or layout.group, "group_column", path)
    if wanted.label is not None and not isinstance(wanted.label, str):
        hot = [_place(header, name, "label_column", path) for name in wanted.label]
        if len(set(hot)) < len(hot):
            raise UserError(f"{path}: label_column={list(wanted.label)!r} names a column twice")
        return Places(image, None, tuple(n for n in hot if n is not None), group)
    label = _place(header, wanted.label or layout.label, "label_column", path)
    return Places(image, _first(header, LABEL_COLUMNS, path) if label is None else label, (), group)


def _fits(layout: Columns, header: Sequence[str]) -> bool:
    """Return whether a header has all columns of a published table."""
    return {layout.image, layout.label, layout.group} <= set(header)


def _place(
    header: Sequence[str], name: str | Sequence[str] | None, argument: str, path: str
) -> int | None:
    """Return the position of a column that was named, None where none was.

    Raises:
        UserError: It is not there.
    """
    if name is None:
        return None
    if name not in header:
        close = get_close_matches(str(name), header, n=1)
        hint = f"; did you mean {close[0]}?" if close else ""
        raise UserError(
            f"{path}: {argument}={name!r} is none of its columns: {', '.join(header)}{hint}"
        )
    _check_once(header, str(name), path)
    return list(header).index(str(name))


def _first(header: Sequence[str], wanted: Sequence[str], path: str) -> int | None:
    """Return the position of the first wanted column that exists, in any letters.

    Raises:
        UserError: Two columns have this name.
    """
    lower = [name.lower() for name in header]
    name = next((name for name in wanted if name in lower), None)
    if name is None:
        return None
    _check_once(header, header[lower.index(name)], path)
    return lower.index(name)


def _check_once(header: Sequence[str], name: str, path: str) -> None:
    """Check that one column alone has a name.

    Raises:
        UserError: Several have it.
    """
    if header.count(name) > 1:
        raise UserError(f"{path}: {header.count(name)} columns are called {name}: rename one")
