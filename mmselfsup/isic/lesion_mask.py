"""Segmentation of the lesion without training: a threshold on the colour distance from skin.

Hairs and the dark corners of a round field of view are removed first. This is not a diagnosis
tool: it is right on most images, and reports where it gives up.

Letters: H, W pixels, h, w pixels of the small copy that is segmented, K components.
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from .dark_border import DARK, DARK_FRACTION

Mask = NDArray[np.bool_]
#: Fractions of the image that a lesion may cover, before its outline is widened; else rejected.
LEAST, MOST = 0.005, 0.7
#: Fraction of the image's frame that a lesion may touch.
MOST_FRAME = 0.3
#: Least difference of the lesion's colour from the rest's, in standard deviations of the rest.
LEAST_CONTRAST = 1.2
#: The same in units of Lab: what an eye distinguishes side by side.
LEAST_DIFFERENCE = 2.0
#: Half axes of the ellipse that replaces a rejected mask, as a fraction of each side.
ELLIPSE = 0.4
_SIDE = 192  # pixels, the longer side of the copy; all sizes below are its pixels
_GAP = 13  # holes and notches of the lesion that are closed
_RING = 0.9  # distance from the centre where skin begins, in half sides
_HEART = 0.5  # a lesion comes nearer to the centre than this
_MARGIN = 13  # width of the brush that widens the outline: an edge is soft
_EDGE = 15  # width of the brush that widens dark corners: their edge is soft
_HAIR = 9  # hairs are thinner
_HAIR_DEPTH = 14  # and at least this much darker than their surroundings, of 255
_MOST_HAIR = 0.25  # more is no hair but a structure of the lesion


class LesionMask(NamedTuple):
    """The lesion's ``mask`` [H, W], True inside; ``guessed``: an ellipse, as none was found."""

    mask: Mask
    guessed: bool


def find_lesion(pixels: NDArray[np.uint8]) -> LesionMask:
    """Return the mask of the lesion, with a margin.

    Hairs are closed and dark corners left out; the distance of each pixel's colour from that of
    the skin along the edges is thresholded (Otsu, "A threshold selection method from gray-level
    histograms", 1979); of the connected parts, the one with the largest weight around the centre
    is the lesion, with others of similar size and colour. Holes are filled, the outline is widened.

    Args:
        pixels: RGB image [H, W, 3] or grey image [H, W].

    Returns:
        The mask; an ellipse in the middle if the part found has an unlikely size, lies along the
        image's frame or in a corner of it, or hardly differs from its surroundings.
    """
    rgb = cv2.cvtColor(pixels, cv2.COLOR_GRAY2RGB) if pixels.ndim == 2 else pixels
    height, width = rgb.shape[:2]
    scale = _SIDE / max(height, width)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    small = np.asarray(cv2.resize(rgb, size, interpolation=method), np.uint8)  # [h, w, 3]
    lesion = _lesion(small)
    if lesion is None:
        return LesionMask(ellipse(height, width), True)
    whole = cv2.resize(lesion, (width, height), interpolation=cv2.INTER_NEAREST)
    return LesionMask(whole > 0, False)


def ellipse(height: int, width: int) -> Mask:
    """Return the mask of an ellipse in the middle of an image, [H, W]."""
    return _from_centre(height, width) <= ELLIPSE * 2


def _lesion(small: NDArray[np.uint8]) -> NDArray[np.uint8] | None:
    """Return the mask [h, w], 0 or 1; None if it is rejected."""
    inside = ~dark_corners(small)
    from_centre = _from_centre(*small.shape[:2])
    ring = inside & (from_centre > _RING)
    if not ring.any():
        return None
    away = from_skin(without_hair(small), ring)
    # The 99th percentile, so that a few outliers don't compress the histogram of Otsu's method.
    levels = np.rint(255 * away / max(float(np.percentile(away[inside], 99)), 1e-6))
    levels = levels.clip(0, 255).astype(np.uint8)
    threshold, _ = cv2.threshold(levels[inside][:, None], 0, 255, cv2.THRESH_OTSU)
    parts = _smooth(((levels > threshold) & inside).astype(np.uint8))
    count, index, stats, _ = cv2.connectedComponentsWithStats(parts)  # 0 is the skin
    if count < 2:
        return None
    number = np.asarray(index, np.int64).ravel()  # of the part of each pixel
    # Weighted by a Gaussian round the centre: photographers centre the lesion.
    weight = np.bincount(number, np.exp(-2 * from_centre**2).ravel(), count)  # [K]
    main = 1 + int(weight[1:].argmax())
    # A lesion touches the frame at most partly; vignettes and skin folds lie along it.
    frame = np.concatenate([index[0], index[-1], index[:, 0], index[:, -1]])
    corners = index[[0, 0, -1, -1], [0, -1, 0, -1]]
    if (
        not LEAST < stats[main, cv2.CC_STAT_AREA] / index.size < MOST
        or (frame == main).mean() > MOST_FRAME
        or main in corners
        or from_centre[index == main].min() > _HEART
    ):
        return None
    areas = stats[:, cv2.CC_STAT_AREA]
    colour = np.bincount(number, away.ravel(), count) / areas  # [K]
    alike = (areas > 0.25 * areas[main]) & (colour > 0.75 * colour[main])
    alike[frame] = False  # parts that touch the frame are likely shadows
    alike[[0, main]] = False, True
    mask = _filled(alike[index].astype(np.uint8))
    rest = away[(mask == 0) & inside]
    if not rest.size:
        return None
    if away[mask > 0].mean() - rest.mean() < max(LEAST_CONTRAST * rest.std(), LEAST_DIFFERENCE):
        return None
    return np.asarray(cv2.dilate(mask, disc(_MARGIN)), np.uint8)


def _smooth(parts: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the parts without specks and gaps, as if the skin continued beyond the frame."""
    clean = cv2.morphologyEx(parts, cv2.MORPH_OPEN, disc(5))
    # Padded, as OpenCV's closing would otherwise connect parts to the frame.
    wide = cv2.copyMakeBorder(clean, *(_GAP,) * 4, cv2.BORDER_CONSTANT, value=0)
    closed = cv2.morphologyEx(wide, cv2.MORPH_CLOSE, disc(_GAP))
    return np.asarray(closed[_GAP:-_GAP, _GAP:-_GAP], np.uint8)


def _filled(mask: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the mask without holes."""
    outlines, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    return np.asarray(cv2.drawContours(np.zeros_like(mask), outlines, -1, 1, -1), np.uint8)


def _from_centre(height: int, width: int) -> NDArray[np.float64]:
    """Return the distance from the centre in half sides: [H, W], 1 in the middle of each side."""
    down, across = ((2 * np.arange(n) + 1) / n - 1 for n in (height, width))
    return np.hypot(down[:, None], across)


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
    # asarray, for stubs of OpenCV that leave the type open
    lab = np.asarray(cv2.cvtColor(small.astype(np.float32) / 255, cv2.COLOR_RGB2LAB), np.float32)
    off = lab - np.median(lab[ring], axis=0)
    darker = np.minimum(off[..., 0], 0)  # brighter pixels are reflections
    away = np.sqrt(darker**2 + off[..., 1] ** 2 + (0.5 * off[..., 2]) ** 2)  # light changes b most
    return np.asarray(cv2.GaussianBlur(away.astype(np.float32), (0, 0), 1.5), np.float32)


def disc(width: int) -> NDArray[np.uint8]:
    """Return a round brush, [width, width]."""
    return np.asarray(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (width, width)), np.uint8)
