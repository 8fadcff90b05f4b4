"""JPEG files decoded at a reduced size, by the crop that is taken of them.

Most of the pixels of a camera's image are lost when a crop of it is resized to 224 pixels. libjpeg
can give half, a quarter or an eighth of each side; the coarsest that has the pixels of the crop is
taken. The resized crop differs a little from that of the whole image, as libjpeg averages blocks of
pixels where ``resize`` weights them by a triangle. Other files are decoded as a whole.

The compressed data of the whole file are read in any case, which bounds the gain
(``benchmarks/items.py``).
"""

from __future__ import annotations

import io
from collections.abc import Callable
from contextlib import AbstractContextManager

import numpy as np
from PIL import Image

from ..pipelines.encoded import EncodedImage, Pixels
from .decode import (
    JPEG,
    ImageError,
    ImageReader,
    check_size,
    has_end,
    ignores_orientation,
    image_size,
    opencv_pixels,
)

_ORIENTATION = 0x0112  # EXIF tag; 5 to 8 swap height and width
_UPSIDE_DOWN = (3, 4, 7, 8)  # the last row or column of the file becomes the first row
_MIRRORED = (2, 3, 6, 7)  # the last column or row of the file becomes the first column


def encoded_jpeg(
    reader: ImageReader, data: bytes, errors: Callable[[], AbstractContextManager[None]]
) -> EncodedImage | None:
    """Return a JPEG file as an image that is decoded later, or None where that is not possible.

    It is not for ``color_type="unchanged"``, which leaves the mode of the file.

    Args:
        reader: How files are read.
        data: The bytes of the file.
        errors: Makes a context in which errors of decoding get the name of the file.

    Raises:
        ImageError: The file is truncated, or has too many pixels.
    """
    size = image_size(data) if data.startswith(JPEG) else None
    if size is None or reader.color_type == "unchanged":
        return None
    check_size(size)
    if not has_end(data):
        raise ImageError("the file is damaged (its end is missing)")
    orientation = _orientation(data, reader.color_type)
    if orientation is None:
        return None
    shape = size if orientation >= 5 else (size[1], size[0])
    from_end = orientation in _UPSIDE_DOWN, orientation in _MIRRORED

    def decode(reduction: int) -> Pixels:
        pixels = opencv_pixels(data, reader.color_type, reader.channel_order, reduction)
        if pixels is not None:
            return pixels
        with errors():  # Pillow reads more, and says what is wrong
            return np.asarray(reader.decode(data))[::reduction, ::reduction]

    return EncodedImage(shape, decode, from_end)


def _orientation(data: bytes, color_type: str) -> int | None:
    """Return the EXIF orientation that is applied, 1 to 8; None if it is unclear."""
    if ignores_orientation(color_type) or b"Exif" not in data[:65536]:
        return 1
    try:
        with Image.open(io.BytesIO(data), formats=("JPEG",)) as image:
            value = image.getexif().get(_ORIENTATION, 1)
    except Exception:  # whatever Pillow finds wrong in it, OpenCV may read the pixels
        return None
    return value if value in range(1, 9) else None
