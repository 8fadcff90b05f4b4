"""Image files: which names and formats are images, and the name without folders and extension."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

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
_Parts = tuple[str, ...]  # of a path, from its name up


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

    Other endings stay: ``scan.2`` is a whole name where a table leaves the extensions out. Folders
    may be divided by backslashes, as in tables that were written under Windows.
    """
    name = os.path.basename(_slashed(name))
    return os.path.splitext(name)[0] if has_image_extension(name) else name


def cells_of_images(
    names: Sequence[str], rows: Sequence[tuple[str, str]], table: str
) -> list[str | None]:
    """Return the cell of each image in a table that names images.

    The names of both need not be alike: extensions don't count, and folders as far as both have
    them. ``p1/1.jpg`` is named by the rows ``1``, ``p1/1``, and ``train/p1/1``, but not by
    ``p2/1``, which is another image, listed or not. Of the rows that name an image, those that
    agree in most folders count.

    Args:
        names: File names of N images.
        rows: Name of an image, and its cell, for each row. Several rows of an image must agree;
            blank ones don't count.
        table: The table, for errors.

    Returns:
        N cells; None where no row names the image. Each depends on its own name and the rows alone.

    Raises:
        UserError: Rows that name an image differ.
    """
    paths = [_path_parts(name) for name in names]
    stems = {parts[0] for parts in paths}
    exact: dict[_Parts, _Cells] = defaultdict(_Cells)  # by the path of a row
    ending: dict[_Parts, _Cells] = defaultdict(_Cells)  # by each end of the path of a row
    for name, cell in rows:
        parts = _path_parts(name)
        if parts[0] not in stems:
            continue
        exact[parts].add(cell)
        for length in range(1, len(parts) + 1):
            ending[parts[:length]].add(cell)
    found: list[str | None] = []
    for name, parts in zip(names, paths, strict=True):
        shorter = (exact.get(parts[:length]) for length in range(len(parts) - 1, 0, -1))
        cells = ending.get(parts) or next(filter(None, shorter), _Cells())
        if len(cells.values) > 1:
            raise UserError(
                f"{table}: {cells.num_rows} rows may be that of the image {name}, and they differ "
                f"({cells.values[0]}, {cells.values[1]}): name each image once, with its folder "
                "where several have the same name"
            )
        found.append(cells.values[0] if cells.values else "" if cells.num_rows else None)
    return found


def none_found(names: Sequence[str], rows: Sequence[str], table: str) -> str:
    """Return that a table has no row of any image, with the first image and its row.

    Args:
        names: File names of the images.
        rows: Names of the images in the table.
        table: The table.
    """
    stem = image_stem(names[0]) if names else ""
    row = next((row for row in rows if image_stem(row) == stem), None)
    other = "" if row is None else f"; {row} is in another folder: leave the folders out, or equal"
    example = f" (e.g. {names[0]}{other})" if names else ""
    return f"{table} has none of the {counted(len(names), 'image')}{example}"


@dataclass
class _Cells:
    """The cells of several rows.

    Attributes:
        num_rows: Number of rows.
        values: The first two different ones that are not blank.
    """

    num_rows: int = 0
    values: list[str] = field(default_factory=list)

    def add(self, cell: str) -> None:
        """Add the cell of a row."""
        self.num_rows += 1
        if cell and len(self.values) < 2 and cell not in self.values:
            self.values.append(cell)


def _path_parts(name: str) -> _Parts:
    """Return the name without its extension, then its folders from the nearest one on."""
    folder = os.path.dirname(os.path.normpath(_slashed(name)))
    return (image_stem(name), *(part for part in reversed(folder.split("/")) if part))


def _slashed(name: str) -> str:
    """Return a path without blanks around it, its folders divided by slashes alone."""
    return name.strip().replace("\\", "/")
