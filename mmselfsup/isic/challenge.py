"""Reading and checking of the challenge's two CSV files."""

from pathlib import Path

import pandas as pd

from mmselfsup.utils.errors import UserError
from mmselfsup.utils.patients import clean_lesion

from .labels import CLASSES, UNKNOWN
from .layout import IMAGE_SUFFIXES


def read_ground_truth(path: str | Path) -> pd.DataFrame:
    """Return the one-hot labels of a file, e.g. ``ISIC_2019_Training_GroundTruth.csv``.

    The columns ``image`` and the eight classes are needed; ``UNK`` and others are allowed.

    Returns:
        One row an image, in the order of the file: ``image`` (name without extension) and
        ``label`` (int, 0..7 in the order of ``CLASSES``, 8 for ``UNK``).

    Raises:
        UserError: No such file, no CSV, a missing column, no row, a row that isn't one-hot, a
            name that is missing or is listed twice.
    """
    table = _read_table(Path(path), ("image", *CLASSES))
    if UNKNOWN not in table:  # the column is optional
        table[UNKNOWN] = "0"
    columns = [*CLASSES, UNKNOWN]
    one_hot = table[columns].apply(pd.to_numeric, errors="coerce").to_numpy(dtype=float)
    good = ((one_hot == 0) | (one_hot == 1)).all(axis=1) & (one_hot.sum(axis=1) == 1)
    if not good.all():
        row = table.loc[~good].iloc[0]
        cells = " ".join(f"{name}={row[name]}" for name in columns)
        raise UserError(
            f"{path}, line {table.index[~good][0]} ({row['image']}): exactly one class must be 1 "
            f"and the others 0, got {cells} ({int((~good).sum())} such rows in all)"
        )
    return pd.DataFrame({"image": table["image"].to_list(), "label": one_hot.argmax(axis=1)})


def read_lesion_ids(path: str | Path) -> dict[str, str]:
    """Return the lesion that each image shows, e.g. from ``ISIC_2019_Training_Metadata.csv``.

    Returns:
        Lesion id by image name (without extension); ``''`` where the file gives none.

    Raises:
        UserError: No such file, no CSV, no column ``image`` or ``lesion_id``, no row, a name that
            is missing or is listed twice.
    """
    table = _read_table(Path(path), ("image", "lesion_id"))
    lesions = [clean_lesion(name) for name in table["lesion_id"]]
    return dict(zip(table["image"], lesions, strict=True))


def read_image_names(path: str | Path) -> list[str]:
    """Return the images that a file lists: its column ``image``, without extensions.

    Raises:
        UserError: No such file, no CSV, no column ``image``, no row, a name that is missing or
            is listed twice.
    """
    return list(_read_table(Path(path), ("image",))["image"])


def _read_table(path: Path, needed: tuple[str, ...]) -> pd.DataFrame:
    """Return all cells as text, indexed by line number, with clean and unique image names."""
    try:
        table = pd.read_csv(
            path,
            dtype=str,
            encoding="utf-8-sig",  # Excel puts a byte order mark in front
            index_col=False,
            keep_default_na=False,
            skip_blank_lines=False,  # so that the row number gives the line number
        )
    except OSError as error:
        raise UserError(f"can't read {path}: {error.strerror or error}; check the path") from error
    except ValueError as error:  # pandas' parser errors and broken UTF-8
        raise UserError(f"{path} is no CSV file that pandas can read: {error}") from error
    table = table.fillna("").rename(columns=str.strip)
    table.index = table.index + 2  # line numbers: the header is line 1
    missing = [name for name in needed if name not in table]
    if missing:
        existing = ", ".join(str(name) for name in table.columns[:12])
        raise UserError(f"{path} lacks the column(s) {', '.join(missing)}; it has: {existing}")
    table = table[(table != "").any(axis=1)]  # blank lines were needed to count lines
    if table.empty:
        raise UserError(f"{path} has a header but no rows")
    table = table.assign(image=[_stem(name) for name in table["image"]])
    _check_names(path, table["image"])
    return table


def _stem(name: str) -> str:
    """Return the name without spaces around it and without an image extension."""
    name = name.strip()
    suffix = Path(name).suffix
    return name[: -len(suffix)] if suffix.lower() in IMAGE_SUFFIXES else name


def _check_names(path: Path, names: "pd.Series[str]") -> None:
    """Check that every row has a name of its own."""
    if (names == "").any():
        raise UserError(f"{path}, line {names.index[names == ''][0]}: the image name is missing")
    if names.duplicated().any():
        name = names[names.duplicated()].iloc[0]
        lines = ", ".join(str(line) for line in names.index[names == name][:5])
        raise UserError(f"{path}: the image {name} is listed more than once (lines {lines})")
