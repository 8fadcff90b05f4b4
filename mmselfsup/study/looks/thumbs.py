"""Thumbnails of images, small enough to be embedded in the report."""

from __future__ import annotations

from pathlib import Path

from mmselfsup.utils.files import atomic_write

SIDE = 96  # pixels
_QUALITY = 60


def write_thumb(image: Path, path: Path) -> None:
    """Write the central square of an image, 96 pixels a side, as WebP (about 2 kB).

    Raises:
        UserError: The image can't be read.
    """
    from PIL import Image, ImageOps

    from mmselfsup.datasets.data_sources.decode import open_rgb

    small = ImageOps.fit(open_rgb(image), (SIDE, SIDE), Image.Resampling.LANCZOS)
    with atomic_write(path) as file:
        small.save(file, format="WEBP", quality=_QUALITY, method=6)
