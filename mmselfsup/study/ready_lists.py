"""Checks of the user's own lists, before hours of training."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from mmselfsup.datasets.data_sources.lists import Entry, read_entries
from mmselfsup.utils.errors import UserError


def check_lists(paths: Iterable[Path], images: Path, classes: Sequence[str] | None) -> None:
    """Check that each image of the lists exists and has a label.

    Args:
        paths: The lists.
        images: Folder of the images.
        classes: Names of the classes, in the order of the labels; None: any label from 0.

    Raises:
        UserError: A list is empty or no text, a label isn't one of the classes, or files are
            missing.
    """
    for path in paths:
        entries = read_entries(str(path), classes)[0]
        for entry in entries:
            _check_label(path, entry, None if classes is None else len(classes))
        missing = [entry for entry in entries if not (images / entry.name).is_file()]
        if missing:
            raise UserError(
                f"{path}, line {missing[0].line}: {missing[0].name} is not in {images} "
                f"({len(missing)} of {len(entries)} images are missing): take them off the list, "
                "or get them"
            )


def _check_label(path: Path, entry: Entry, num_classes: int | None) -> None:
    label = entry.label
    if isinstance(label, int) and 0 <= label < (num_classes or label + 1):
        return
    wanted = "from 0" if num_classes is None else f"from 0 to {num_classes - 1}"
    raise UserError(
        f"{path}, line {entry.line}: {entry.name!r} must have one label, a number {wanted}"
    )
