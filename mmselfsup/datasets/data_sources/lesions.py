"""Which lesion an image of a list shows, from a CSV file."""

from __future__ import annotations

import csv
import os
from collections.abc import Sequence

from ...utils.errors import UserError
from ...utils.lesions import clean_lesion
from .entries import has_image_extension, read_text

_COLUMNS = ("image", "lesion_id")


def read_lesions(path: str, names: Sequence[str]) -> list[str]:
    """Find the lesion of each image.

    Args:
        path: CSV file with the columns `image` (with or without extension) and `lesion_id`, such as
            ISIC_2019_Training_Metadata.csv.
        names: file names of N images; folders before the name and the extension don't count.

    Returns:
        N lesion ids, `''` where none is known.

    Raises:
        UserError: The file is missing, lacks a column, or knows none of the images.
    """
    rows = csv.DictReader(read_text(path).splitlines())
    rows.fieldnames = [name.strip() for name in rows.fieldnames or ()]
    missing = [name for name in _COLUMNS if name not in rows.fieldnames]
    if missing:
        raise UserError(
            f"{path} lacks the column(s) {', '.join(missing)}; it has: "
            f"{', '.join(rows.fieldnames[:12])}"
        )
    lesions = {image_stem(row["image"] or ""): clean_lesion(row["lesion_id"] or "") for row in rows}
    stems = [image_stem(name) for name in names]
    if not any(stem in lesions for stem in stems):
        raise UserError(f"{path} has none of the {len(names)} images (e.g. {names[0]})")
    return [lesions.get(stem, "") for stem in stems]


def image_stem(name: str) -> str:
    """The name of a file without folders and without the extension of an image."""
    name = os.path.basename(name.strip())
    return os.path.splitext(name)[0] if has_image_extension(name) else name
