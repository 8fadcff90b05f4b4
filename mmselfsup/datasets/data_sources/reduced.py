"""JPEG files decoded at a reduced size, by the crop that is taken of them.

Most of the pixels of a camera's image are lost when a crop of it is resized to 224 pixels. libjpeg
can give half, a quarter or an eighth of each side; the coarsest that has the pixels of the crop is
taken. The resized crop differs a little from that of the whole image, as libjpeg averages blocks of
pixels where ``resize`` weights them by a triangle. Other files are decoded as a whole.

The compressed data of the whole file are read in any case, which bounds the gain
(``benchmarks/items.py``).
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager

import numpy as np

from ..pipelines.encoded import EncodedImage, Pixels
from .decode import (
    ImageError,
    ImageReader,
    check_size,
    has_end,
    ignores_orientation,
    image_size,
    opencv_pixels,
)
from .jpeg_header import JPEG, jpeg_orientation

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
    ignored = ignores_orientation(reader.color_type)
    orientation = 1 if ignored else jpeg_orientation(data)
    if orientation is None:
        return None
    # 5 to 8 swap height and width
    shape = size if orientation >= 5 else (size[1], size[0])
    from_end = orientation in _UPSIDE_DOWN, orientation in _MIRRORED

    def decode(reduction: int) -> Pixels:
        pixels = opencv_pixels(data, reader.color_type, reader.channel_order, reduction)
        if pixels is not None:
            return pixels
        with errors():  # Pillow reads more, and says what is wrong
            return np.asarray(reader.decode(data))[::reduction, ::reduction]

    return EncodedImage(shape, decode, from_end)
