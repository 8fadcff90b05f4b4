"""The dark border round the field of view of a dermatoscope.

Letters: H, W pixels.
"""

from typing import NamedTuple

import cv2
import numpy as np
from PIL import Image

#: Brightest channel of a border's pixel, 0..255, in an image whose skin is bright.
DARK = 50
#: A border is darker than this fraction of the skin's brightness.
DARK_FRACTION = 0.3
#: Fraction of a line's pixels that may be brighter: dust, a hair, the mark of a ruler.
STRAY = 0.002
#: The box has at least this fraction of each side; else the image itself is dark.
LEAST = 0.35


class Box(NamedTuple):
    """A part of an image in pixels; right and bottom are the first ones outside."""

    left: int
    top: int
    right: int
    bottom: int


def crop_border(image: Image.Image) -> Image.Image:
    """Return the image without its dark border, see ``find_border``."""
    box = find_border(image)
    return image if box == (0, 0, *image.size) else image.crop(box)


def find_border(image: Image.Image) -> Box:
    """Return the part of an image that remains when the dark border is cut away.

    A row or column belongs to the border when it is dark from end to end and so is everything
    between it and the edge. So the box holds the whole field of view: of a round one its
    bounding box, the corners of which stay dark. Nothing else is cut.

    A median filter comes first, so that noise does not count. A pixel is dark where its brightest
    channel is below ``DARK`` and below ``DARK_FRACTION`` of its brightness (90th percentile).

    Args:
        image: RGB image.

    Returns:
        The box; the whole image if it has no border, or if less than ``LEAST`` of a side would
        remain.
    """
    pixels = np.asarray(image.convert("RGB")).max(axis=2)  # [H, W]
    height, width = pixels.shape
    whole = Box(0, 0, width, height)
    if min(height, width) < 16:
        return whole
    smooth = cv2.medianBlur(pixels, 5)  # keeps edges sharp, unlike a mean
    bright = smooth >= min(DARK, DARK_FRACTION * float(np.percentile(smooth, 90)))  # [H, W]
    # Only rows between top and bottom count for columns: dark bands would dilute the bright ones.
    top, bottom = _inside(bright.mean(axis=1) > STRAY)
    left, right = _inside(bright[top:bottom].mean(axis=0) > STRAY)
    if bottom - top < LEAST * height or right - left < LEAST * width:
        return whole
    return Box(left, top, right, bottom)


def _inside(lines: np.ndarray) -> tuple[int, int]:
    """Return the first line that is not border, and the one after the last; all without any."""
    bright = np.flatnonzero(lines)
    return (int(bright[0]), int(bright[-1]) + 1) if len(bright) else (0, len(lines))
