"""Image files: which names and formats are images, and the name without folders and extension."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import takewhile

from .errors import UserError
from .plurals import counted

#: Where several files have one stem, the earlier extension is preferred.
IMAGE_EXTENSIONS = (
    ".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp", ".gif",
    ".dcm", ".dicom", ".npy",
)  # fmt: skip
#: Endings of other images, of which a folder may be full, and what to do with them.
OTHER_IMAGES = {
    **dict.fromkeys((".jp2", ".j2k", ".jpx"), "name them in a list (ann_file), or convert them"),
    **dict.fromkeys((".svs", ".ndpi", ".mrxs", ".scn", ".czi", ".vsi"), "cut these into tiles"),
    **dict.fromkeys((".nii", ".nii.gz", ".mha", ".nrrd"), "save the slices as PNG or .npy"),
    **dict.fromkeys(
        (
            ".heic", ".heif", ".avif", ".jxl", ".jfif", ".psd", ".svg", ".eps", ".tga", ".dng",
            ".raw", ".cr2", ".cr3", ".nef", ".arw", ".orf", ".rw2",
        ),
        "convert them to PNG or JPEG",
    ),
}  # fmt: skip
#: Formats that Pillow may open, by its names for them. Pillow goes by the first bytes of a file,
#: whatever its name: it would start Ghostscript for an EPS program that is called ``.jpg``.
IMAGE_FORMATS = ("JPEG", "JPEG2000", "PNG", "PPM", "BMP", "DIB", "TIFF", "WEBP", "GIF")


def has_image_extension(name: str) -> bool:
    """Return whether a name ends like an image file, in small or capital letters."""
    return name.lower().endswith(IMAGE_EXTENSIONS)


def other_image(name: str) -> str:
    """Return the ending by which a name is one of ``OTHER_IMAGES``; '' for no such name."""
    name = name.lower()
    if name.endswith(".nii.gz"):
        return ".nii.gz"
    ending = os.path.splitext(name)[1]
    return ending if ending in OTHER_IMAGES else ""


def left_out_text(others: Mapping[str, int]) -> str:
    """Return what was left out and what to do: ``3 .heic files (convert ...)``; '' for none.

    Args:
        others: How many there are of each ending of ``OTHER_IMAGES``.
    """
    return ", ".join(
        f"{counted(number, f'{ending} file')} ({OTHER_IMAGES[ending]})"
        for ending, number in sorted(others.items())
    )


def image_stem(name: str) -> str:
    """Return a name without blanks around it, without folders, and without an image's extension.

    Other endings stay: ``scan.2`` is a whole name where a table leaves the extensions out.
    """
    name = os.path.basename(name.strip())
    return os.path.splitext(name)[0] if has_image_extension(name) else name


def cells_of_images(
    names: Sequence[str], rows: Sequence[tuple[str, str]], table: str
) -> list[str | None]:
    """Return the cell of each image in a table that names images.

    The names of both need not be alike: extensions don't count, and folders only as far as both
    have them, so that ``a/1.jpg`` and ``b/1.jpg`` are two images. Where no other image has the same
    name, a row in another folder (``train/1.jpg`` for ``images/1.jpg``) is its row.

    Args:
        names: File names of N images.
        rows: Name of an image, and its cell, for each row. Several rows of an image must agree;
            blank ones don't count.
        table: The table, for errors.

    Returns:
        N cells; None where no row names the image.

    Raises:
        UserError: Rows that name an image differ.
    """
    cells: dict[str, list[tuple[tuple[str, ...], str]]] = defaultdict(list)
    for name, cell in rows:
        parts = _path_parts(name)
        cells[parts[0]].append((parts, cell))
    paths = [_path_parts(name) for name in names]
    alike: dict[str, set[tuple[str, ...]]] = defaultdict(set)
    for parts in paths:
        alike[parts[0]].add(parts)
    found: list[str | None] = []
    for name, parts in zip(names, paths, strict=True):
        chosen = _rows_of(parts, cells.get(parts[0], ()), len(alike[parts[0]]) == 1)
        values = list(dict.fromkeys(filter(None, chosen)))
        if len(values) > 1:
            raise UserError(
                f"{table}: {len(chosen)} rows may be that of the image {name}, and they differ "
                f"({values[0]}, {values[1]}): name each image once, with its folder where several "
                "have the same name"
            )
        found.append(values[0] if values else "" if chosen else None)
    return found


def _path_parts(name: str) -> tuple[str, ...]:
    """Return the name without its extension, then its folders from the nearest one on."""
    folder = os.path.dirname(os.path.normpath(name.strip().replace("\\", "/")))
    return (image_stem(name), *(part for part in reversed(folder.split("/")) if part))


def _rows_of(
    image: tuple[str, ...], rows: Sequence[tuple[tuple[str, ...], str]], alone: bool
) -> list[str]:
    """Return the cells of the rows that name an image best.

    Args:
        image: Parts of its path.
        rows: Parts of the path and the cell of each row with the same name.
        alone: Whether no other image has the same name, so that other folders mean nothing.
    """
    if len(rows) == 1 and alone:
        return [rows[0][1]]
    common = [
        sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(image, parts, strict=False)))
        for parts, _ in rows
    ]
    fits = [
        alone or count == min(len(image), len(parts))
        for count, (parts, _) in zip(common, rows, strict=True)
    ]
    most = max((count for count, fit in zip(common, fits, strict=True) if fit), default=0)
    return [
        cell
        for count, fit, (_, cell) in zip(common, fits, rows, strict=True)
        if fit and count == most
    ]
