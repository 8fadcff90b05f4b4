"""Flips and rotations, in 8 bits."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import torchvision.transforms as T
from torchvision.transforms import functional as F

from ..builder import PIPELINES
from .chance import bernoulli
from .pixels import OnPixels, Pixels, to_image


@PIPELINES.register_module()
class RandomHorizontalFlip(OnPixels, T.RandomHorizontalFlip):  # type: ignore[misc]
    """As in torchvision: a flip of left and right, with probability ``p``."""

    def change(self, pixels: Pixels) -> Pixels:
        return _array(cv2.flip(pixels, 1)) if bernoulli(self.p) else pixels


@PIPELINES.register_module()
class RandomVerticalFlip(OnPixels, T.RandomVerticalFlip):  # type: ignore[misc]
    """As in torchvision: a flip of top and bottom, with probability ``p``."""

    def change(self, pixels: Pixels) -> Pixels:
        return _array(cv2.flip(pixels, 0)) if bernoulli(self.p) else pixels


@PIPELINES.register_module()
class RandomRotation(OnPixels, T.RandomRotation):  # type: ignore[misc]
    """As in torchvision: a counter-clockwise rotation by an angle drawn from ``degrees``.

    Quarter turns of a square image only permute its pixels; any other rotation is Pillow's.
    """

    def change(self, pixels: Pixels) -> Pixels:
        angle = self.get_params(self.degrees)
        square = pixels.shape[0] == pixels.shape[1]
        if angle % 90 == 0 and square and self.center is None:
            return np.ascontiguousarray(np.rot90(pixels, int(angle // 90) % 4))
        fill = self.fill
        if isinstance(fill, int | float):
            fill = [float(fill)] * (3 if pixels.ndim == 3 else 1)
        options: dict[str, Any] = dict(expand=self.expand, center=self.center, fill=list(fill))
        return np.array(F.rotate(to_image(pixels), angle, self.interpolation, **options))


def _array(pixels: Any) -> Pixels:
    """Return a result of OpenCV under its type."""
    return pixels  # type: ignore[no-any-return]
