"""Preparation of a dermoscopic image's colours for the search for its lesion.

Letters: h, w pixels of a copy whose longer side has 192.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from .border import DARK, DARK_FRACTION

_EDGE = 15  # width of the brush that widens dark corners: their edge is soft
_HAIR = 9  # hairs are thinner
_HAIR_DEPTH = 14  # and at least this much darker than their surroundings, of 255
_MOST_HAIR = 0.25  # more is no hair but a structure of the lesion


def dark_corners(small: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Return the mask of dark areas that reach a corner (round field of view), and their edge."""
    bright = cv2.medianBlur(small.max(axis=2), 5)
    dark = (bright < max(DARK, DARK_FRACTION * float(np.percentile(bright, 90)))).astype(np.uint8)
    _, index = cv2.connectedComponents(dark)  # 0: not dark
    corners = {int(c) for c in index[[0, 0, -1, -1], [0, -1, 0, -1]]} - {0}
    reached = np.isin(index, list(corners)).astype(np.uint8)
    return np.asarray(cv2.dilate(reached, disc(_EDGE)) > 0)


def without_hair(small: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the image with thin dark lines and small dots in the colour of their surroundings."""
    brush = disc(_HAIR)
    dip = cv2.morphologyEx(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY), cv2.MORPH_BLACKHAT, brush)
    hair = cv2.dilate((dip > _HAIR_DEPTH).astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    # Closing a structure of the lesion as if it were hair would erase the lesion.
    if hair.mean() < _MOST_HAIR:
        closed = cv2.morphologyEx(small, cv2.MORPH_CLOSE, brush)
        small = np.where(hair[..., None], closed, small).astype(np.uint8)
    return np.asarray(cv2.medianBlur(small, 7), np.uint8)


def from_skin(small: NDArray[np.uint8], ring: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Return each colour's distance from the skin's, [h, w]: darker, redder or bluer, in Lab."""
    lab = cv2.cvtColor(small.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
    off = lab - np.median(lab[ring], axis=0)
    darker = np.minimum(off[..., 0], 0)  # brighter pixels are reflections
    away = np.sqrt(darker**2 + off[..., 1] ** 2 + (0.5 * off[..., 2]) ** 2)  # light changes b most
    return np.asarray(cv2.GaussianBlur(away.astype(np.float32), (0, 0), 1.5), np.float32)


def disc(width: int) -> NDArray[np.uint8]:
    """Return a round brush, [width, width]."""
    return np.asarray(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (width, width)), np.uint8)
