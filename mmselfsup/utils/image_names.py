"""Image files: which names and formats are images, and the name without folders and extension."""

from __future__ import annotations

import os
from collections.abc import Mapping

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
