"""The lesion of each image of a list, from a CSV file."""

from __future__ import annotations

from collections.abc import Sequence

from mmselfsup.utils.errors import UserError
from mmselfsup.utils.patients import clean_lesion

from .metadata import read_metadata, stem

_COLUMNS = ("image", "lesion_id")


def read_lesions(path: str, names: Sequence[str]) -> list[str]:
    """Return the lesion of each image.

    Args:
        path: CSV file with the columns ``image`` (with or without extension) and ``lesion_id``,
            such as ISIC_2019_Training_Metadata.csv.
        names: File names of N images; folders before the name and the extension don't count.

    Returns:
        N lesion ids, ``''`` where none is known.

    Raises:
        UserError: The file is missing, lacks a column, or has none of the images.
    """
    rows = read_metadata(path, _COLUMNS)
    lesions = {name: clean_lesion(row.cells["lesion_id"]) for name, row in rows}
    stems = [stem(name) for name in names]
    if not any(name in lesions for name in stems):
        raise UserError(f"{path} has none of the {len(names)} images (e.g. {names[0]})")
    return [lesions.get(name, "") for name in stems]
