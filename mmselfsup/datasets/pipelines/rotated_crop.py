"""A crop at any angle that lies within the image and keeps a share of the lesion.

Letters: H, W size of the image, S side of the view, h, w size of the copy that is searched for a
lesion, K its pixels.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any, NamedTuple

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from mmselfsup.utils.errors import ArgumentError

from ..registry import PIPELINES
from .compose import check_probability
from .encoded import Pixels
from .formatting import on_pixels
from .geometric import resize

Points = NDArray[np.float64]
_TRIES = 20  # crops to draw before one around the lesion is tried
_SIDE = 48  # pixels, the longer side of the copy that is searched for a lesion
_DARK = 50  # brightest channel of a pixel outside of a round field of view, 0..255
_LEAST, _MOST = 0.005, 0.7  # fractions of the image that a lesion may cover
_ELLIPSE = 0.4  # half axes of the ellipse in place of a lesion, as fractions of the sides


class Rectangle(NamedTuple):
    """A rectangle in an image, in pixels: its centre, its size, its counter-clockwise turn."""

    x: float
    y: float
    width: float
    height: float
    angle: float  # radians

    def axes(self) -> NDArray[np.float64]:
        """Return the directions of its width and its height in the image, as columns [2, 2]."""
        cos, sin = math.cos(self.angle), math.sin(self.angle)
        return np.array([[cos, sin], [-sin, cos]])  # y runs downwards

    def corners(self) -> Points:
        """Return its corners in the image, (x, y), [4, 2]."""
        signs = np.array([[-0.5, -0.5], [0.5, -0.5], [0.5, 0.5], [-0.5, 0.5]])
        return (signs * [self.width, self.height]) @ self.axes().T + [self.x, self.y]

    def share(self, points: Points) -> float:
        """Return the fraction of points (x, y) [K, 2] inside."""
        own = np.abs((points - [self.x, self.y]) @ self.axes())
        return float((own <= [self.width / 2 + 1e-6, self.height / 2 + 1e-6]).all(1).mean())


@PIPELINES.register_module()
class RotatedCrop:
    """A random crop at any angle, resized to a square; it has no corner outside of the image.

    The angle is uniform over the circle. For each angle, the area is uniform between ``scale[0]``
    of the image and the smaller of ``scale[1]`` and the largest rectangle that fits, the place
    uniform where it fits: so a crop at 45 degrees is smaller than one at 90, but no pixel is
    invented (rotations of a crop fill the corners with black or with mirrored skin).

    With ``least_lesion`` above 0, the lesion is estimated in each image (``rough_lesion``), and
    crops are drawn again until one keeps this share of it. After 20 tries, the largest upright crop
    around the middle of the lesion is taken, in a random quarter turn, or, where that does not keep
    enough either, the one of these 21 that keeps most. So no view is larger than ``scale[1]``, and
    a lesion too large or too long for it is cut.

    Args:
        size: Side S of the view.
        scale: Range of the crop's fraction of the image's area.
        ratio: Range of the crop's width over its height, drawn on a logarithmic scale.
        least_lesion: Share of the lesion that each view keeps where ``scale`` allows it, 0..1.

    Raises:
        ArgumentError: A range is empty or out of bounds.
    """

    takes_pixels = True

    def __init__(
        self,
        size: int,
        scale: tuple[float, float] = (0.2, 1.0),
        ratio: tuple[float, float] = (3 / 4, 4 / 3),
        least_lesion: float = 0.0,
    ) -> None:
        check_probability(least_lesion, "least_lesion")
        if size < 1:
            raise ArgumentError(f"size must be at least 1, got {size}")
        if not 0 < scale[0] <= scale[1] <= 1:
            raise ArgumentError(f"scale must be two rising fractions of the area, got {scale}")
        if not 0 < ratio[0] <= ratio[1]:
            raise ArgumentError(f"ratio must be two rising numbers above 0, got {ratio}")
        self.size, self.scale, self.ratio = size, tuple(scale), tuple(ratio)
        self.least_lesion = least_lesion

    @property
    def weighs_colours(self) -> bool:
        """Return whether it looks for a lesion, which is darker or redder than skin."""
        return self.least_lesion > 0

    def __call__(self, img: Any) -> Any:
        """Return the view [S, S, 3] or [S, S], a PIL image for a PIL image."""
        return on_pixels(self._change, img)

    def _change(self, pixels: Pixels) -> Pixels:
        return cut(pixels, self.sample_params(pixels), self.size)

    def sample_params(self, pixels: Pixels) -> Rectangle:
        """Return a sampled crop of an image [H, W, 3] or [H, W].

        Raises:
            ArgumentError: The image has another shape.
        """
        if pixels.ndim != 2 and pixels.shape[2:] != (3,):
            raise ArgumentError(
                f"RotatedCrop takes an image [H, W, 3] or [H, W], got {list(pixels.shape)}"
            )
        height, width = pixels.shape[:2]
        if not self.least_lesion:
            return self._draw(height, width)
        lesion = rough_lesion(pixels)
        tried = []
        for attempt in range(_TRIES + 1):
            last = attempt == _TRIES
            crop = self._around(lesion, height, width) if last else self._draw(height, width)
            share = crop.share(lesion)
            if share >= self.least_lesion:
                return crop
            tried.append((share, crop))
        return max(tried)[1]

    def _draw(self, height: int, width: int) -> Rectangle:
        turn, size, shape, right, down = torch.rand(5, dtype=torch.float64).tolist()
        angle = 2 * math.pi * turn
        ratio = math.exp(_between(math.log(self.ratio[0]), math.log(self.ratio[1]), shape))
        # Of the rectangle with area 1: its sides, and those of the upright box around it.
        w, h = math.sqrt(ratio), math.sqrt(1 / ratio)
        cos, sin = abs(math.cos(angle)), abs(math.sin(angle))
        box_w, box_h = w * cos + h * sin, w * sin + h * cos
        largest = min(width / box_w, height / box_h) ** 2
        low, high = (fraction * height * width for fraction in self.scale)
        side = math.sqrt(_between(min(low, largest), min(high, largest), size))
        half_w, half_h = side * box_w / 2, side * box_h / 2
        x = _between(half_w, width - half_w, right)
        y = _between(half_h, height - half_h, down)
        return Rectangle(x, y, side * w, side * h, angle)

    def _around(self, lesion: Points, height: int, width: int) -> Rectangle:
        quarters = int(torch.randint(4, (1,)).item())
        ratio = min(max(width / height, self.ratio[0]), self.ratio[1])
        area = min(self.scale[1] * height * width, width**2 / ratio, height**2 * ratio)
        w, h = math.sqrt(area * ratio), math.sqrt(area / ratio)
        x, y = lesion.mean(0)
        x = min(max(float(x), w / 2), width - w / 2)
        y = min(max(float(y), h / 2), height - h / 2)
        if quarters % 2:
            w, h = h, w
        return Rectangle(x, y, w, h, quarters * math.pi / 2)

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(size={self.size}, scale={self.scale}, ratio={self.ratio}, "
            f"least_lesion={self.least_lesion})"
        )


def cut(pixels: Pixels, crop: Rectangle, size: int) -> Pixels:
    """Return a rectangle of an image as a square view, [S, S, 3] or [S, S].

    Where the view has fewer pixels than the rectangle, the part around it is first made smaller
    with the filter of ``resize``, so that nothing aliases; then it is turned, bilinearly.

    Args:
        pixels: [H, W, 3] or [H, W].
        crop: The rectangle, within the image.
        size: S.
    """
    corners = crop.corners()
    bounds = np.array([pixels.shape[1], pixels.shape[0]])
    low = np.floor(corners.min(0) - 1e-6).astype(int).clip(0, bounds - 1)
    high = np.ceil(corners.max(0) + 1e-6).astype(int).clip(low + 1, bounds)
    part = pixels[low[1] : high[1], low[0] : high[0]]
    shrink = min(1.0, size / math.sqrt(crop.width * crop.height))
    h, w = (max(1, round(side * shrink)) for side in part.shape[:2])
    scale = np.array([w / part.shape[1], h / part.shape[0]])  # as rounded
    small = resize(part, (h, w))
    # From the pixel (i, j) of the view to that of ``small``; centres of pixels are at + 0.5.
    linear = scale[:, None] * crop.axes() * ([crop.width, crop.height]) / size  # [2, 2]
    start = (corners[0] - low) * scale + linear @ [0.5, 0.5] - 0.5
    way = np.concatenate([linear, start[:, None]], axis=1)  # [2, 3]
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return np.asarray(
        cv2.warpAffine(small, way, (size, size), flags=flags, borderMode=cv2.BORDER_REPLICATE),
        np.uint8,
    )


def rough_lesion(pixels: Pixels) -> Points:
    """Return the places of an estimated lesion, (x, y) in pixels of the image, [K, 2].

    It is made for speed (about 0.4 ms): in a copy of 48 pixels, Otsu's threshold on how much darker
    or redder than the skin near the frame a pixel is; of the connected parts, the one with the
    largest weight around the centre. Where this is smaller than 0.5 % or larger than 70 % of the
    image, an ellipse in the middle. ``mmselfsup.isic.lesion_mask`` is slower and better.

    Args:
        pixels: RGB image [H, W, 3] or grey image [H, W].
    """
    height, width = pixels.shape[:2]
    shrink = _SIDE / max(height, width)
    w, h = max(1, round(width * shrink)), max(1, round(height * shrink))
    rgb = cv2.cvtColor(pixels, cv2.COLOR_GRAY2RGB) if pixels.ndim == 2 else pixels
    small = np.asarray(cv2.resize(rgb, (w, h), interpolation=cv2.INTER_AREA), np.uint8)
    rows, columns = _places(small.tobytes(), h, w)
    return np.stack([(columns + 0.5) * width / w, (rows + 0.5) * height / h], axis=1)


@lru_cache(maxsize=4)
def _places(small: bytes, h: int, w: int) -> tuple[NDArray[np.intp], ...]:
    """Return the rows and columns [K] of the lesion in a copy of an image, the bytes of [h, w, 3].

    They are kept by what they depend on: a sample makes all views of one image in a row.
    """
    down, across = ((2 * np.arange(n) + 1) / n - 1 for n in (h, w))  # -1..1
    away = np.hypot(down[:, None], across)  # [h, w], from the centre, in half sides
    mask = _darker_than_skin(np.frombuffer(small, np.uint8).reshape(h, w, 3), away)
    if not _LEAST <= mask.mean() <= _MOST:
        mask = away <= 2 * _ELLIPSE
    return np.nonzero(mask if mask.any() else away >= 0)


def _darker_than_skin(small: Pixels, away: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return the mask [h, w] of the part that differs from skin; it may be empty."""
    none = np.zeros(small.shape[:2], bool)
    inside = small.max(2) > _DARK
    ring = inside & (away > 0.9)
    if not ring.any():
        return none
    lab = np.asarray(cv2.cvtColor(small, cv2.COLOR_RGB2LAB), np.float32)
    off = lab - np.median(lab[ring], axis=0)
    far = np.hypot(np.minimum(off[..., 0], 0), off[..., 1])  # brighter pixels are reflections
    far = np.asarray(cv2.GaussianBlur(far, (3, 3), 0))
    levels = np.rint(far * (255 / max(float(far[inside].max()), 1e-6))).clip(0, 255)
    threshold, _ = cv2.threshold(levels[inside].astype(np.uint8), 0, 255, cv2.THRESH_OTSU)
    parts = ((levels > threshold) & inside).astype(np.uint8)
    count, index = cv2.connectedComponents(parts)
    if count < 2:
        return none
    number = np.asarray(index, np.int64).ravel()  # of the part of each pixel
    weight = np.bincount(number, np.exp(-2 * away**2).ravel(), count)
    return np.asarray(index == 1 + int(weight[1:].argmax()))


def _between(low: float, high: float, fraction: float) -> float:
    return low + (high - low) * fraction
