"""One or several folders of images, as one data source."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence

from mmselfsup.utils.errors import UserError

from .lists import Entry, find_images


def common_folder(
    data_prefix: str | os.PathLike | Sequence[str | os.PathLike] | None,
) -> tuple[str, tuple[str, ...]]:
    """Return the folder that has all folders below it, and these folders.

    Args:
        data_prefix: A folder, a list or tuple of several, or none.

    Returns:
        An empty string and no folder where none is given; the folder itself where it is one.
    """
    given = data_prefix if isinstance(data_prefix, list | tuple) else [data_prefix]
    folders = tuple(dict.fromkeys(os.path.expanduser(str(one)) for one in given if one))
    if len(folders) < 2:
        return "".join(folders), folders
    return os.path.commonpath([os.path.abspath(one) for one in folders]), folders


def in_folders(
    entries: Sequence[Entry], root: str, folders: Sequence[str], list_file: str | None
) -> list[Entry]:
    """Return the entries of a list with names below ``root``, each found in one of the folders.

    Args:
        entries: Names below any of the folders; extensions may be missing.
        root: The result of ``common_folder``, as ``folders``.
        folders: Several folders.
        list_file: The list, for errors.

    Raises:
        UserError: An image is in none of the folders, or in more than one.
    """
    files: dict[str, set[str]] = {}
    for folder in folders:
        below = os.path.relpath(os.path.abspath(folder), root)
        for name in find_images(folder):
            path = os.path.normpath(os.path.join(below, name))
            for key in (name, os.path.splitext(name)[0]):
                files.setdefault(key, set()).add(path)
    found = [(entry, files.get(os.path.normpath(entry.name), set())) for entry in entries]
    missing = [entry for entry, paths in found if not paths]
    if missing:
        raise UserError(
            f"{list_file}, line {missing[0].line}: {missing[0].name!r} is in none of the "
            f"{len(folders)} folders of data_prefix ({len(missing)} of {len(entries)} images are "
            "missing): name all folders, or take them off the list"
        )
    for entry, paths in found:
        if len(paths) > 1:
            raise UserError(
                f"{list_file}, line {entry.line}: {entry.name!r} is in more than one place "
                f"({', '.join(sorted(paths)[:2])}): write the folder before the name"
            )
    return [entry._replace(name=next(iter(paths))) for entry, paths in found]


def all_images(root: str, folders: Sequence[str], others: Counter[str] | None = None) -> list[str]:
    """Return all images of the folders, as sorted names below ``root``; see ``find_images``."""
    names = set()
    for folder in folders:
        below = os.path.relpath(os.path.abspath(folder), root) if len(folders) > 1 else "."
        found = find_images(folder, others=others)
        names |= {os.path.normpath(os.path.join(below, name)) for name in found}
    return sorted(names)
