"""Image files: which names and formats are images, and the name without folders and extension."""

from __future__ import annotations

import os

#: Where several files have one stem, the earlier extension is preferred.
IMAGE_EXTENSIONS = (
    ".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp", ".gif",
    ".dcm", ".dicom", ".npy",
)  # fmt: skip
#: Formats that Pillow may open, by its names for them. Pillow goes by the first bytes of a file,
#: whatever its name: it would start Ghostscript for an EPS program that is called ``.jpg``.
IMAGE_FORMATS = ("JPEG", "JPEG2000", "PNG", "PPM", "BMP", "DIB", "TIFF", "WEBP", "GIF")


def has_image_extension(name: str) -> bool:
    """Return whether a name ends like an image file, in small or capital letters."""
    return name.lower().endswith(IMAGE_EXTENSIONS)


def image_stem(name: str) -> str:
    """Return a name without blanks around it, without folders, and without an image's extension.

    Other endings stay: ``scan.2`` is a whole name where a table leaves the extensions out.
    """
    name = os.path.basename(name.strip())
    return os.path.splitext(name)[0] if has_image_extension(name) else name
