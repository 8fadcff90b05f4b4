"""Age, site and sex of the patient of each image, from a CSV file. Letters: N images, D width."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mmselfsup.utils.errors import UserError
from mmselfsup.utils.patients import encode_patient

from .metadata import Row, read_metadata, stem

_COLUMNS = ("image", "age_approx", "anatom_site_general", "sex")


def read_patients(path: str, names: Sequence[str]) -> NDArray[np.float32]:
    """Return the encoded patient of each image.

    Args:
        path: CSV file with the columns ``image`` (with or without extension), ``age_approx``,
            ``anatom_site_general`` and ``sex``, such as ISIC_2019_Training_Metadata.csv. Cells may
            be blank.
        names: File names of N images; folders before the name and the extension don't count.

    Returns:
        [N, D], see ``mmselfsup.utils.patients.encode_patient``.

    Raises:
        UserError: The file is missing, lacks a column or an image, has an image twice, or the row
            of an image holds a value that is none of ISIC-2019's.
    """
    rows: dict[str, Row] = {}
    for name, row in read_metadata(path, _COLUMNS):
        if name in rows:
            raise UserError(
                f"{path}: the image {name} has more than one row (lines {rows[name].line} "
                f"and {row.line})"
            )
        rows[name] = row
    stems = [stem(name) for name in names]
    missing = [name for name, key in zip(names, stems, strict=True) if key not in rows]
    if missing:
        raise UserError(
            f"{path} has no row for the image {missing[0]} ({len(missing)} of {len(names)} images "
            "lack one): add rows, blank cells are fine, or take the images off the list"
        )
    return np.stack([_encoded(rows[key], path) for key in stems])  # [N, D]


def _encoded(row: Row, path: str) -> NDArray[np.float32]:
    """Return the code [D] of one row."""
    _, age, site, sex = (row.cells[name] for name in _COLUMNS)
    try:
        return encode_patient(age, site, sex)
    except UserError as error:
        raise UserError(f"{path}, line {row.line} ({row.cells['image']}): {error}") from error
