"""Brightness, contrast, saturation, hue and grey, in 8 bits.

The arithmetic is Pillow's: values are cut down to whole numbers, never rounded. Brightness,
contrast, saturation and grey differ from it by one level at most, on few values. The hue is turned
in OpenCV's HSV, which is finer than Pillow's.

Letters: H and W of an image.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import torchvision.transforms as T

from ..builder import PIPELINES
from .chance import happens
from .pixels import OnPixels, Pixels

_CUT = -0.499  # added before OpenCV rounds: cuts down, and leaves whole numbers alone


def grey(pixels: Pixels) -> Pixels:
    """[H, W, 3] or [H, W] -> luma [H, W] (ITU-R 601)."""
    return pixels if pixels.ndim == 2 else _array(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY))


def blend_with(pixels: Pixels, value: float, factor: float) -> Pixels:
    """`value + factor * (v - value)` cut to 0..255, for every value v."""
    return _array(cv2.addWeighted(pixels, factor, pixels, 0, (1 - factor) * value + _CUT))


def brighten(pixels: Pixels, factor: float) -> Pixels:
    """Multiply all values: 0 is black, 1 changes nothing."""
    return blend_with(pixels, 0, factor)


def stretch_contrast(pixels: Pixels, factor: float) -> Pixels:
    """Move all values away from the mean of the grey image: 0 is flat, 1 changes nothing."""
    mean = int(cv2.mean(grey(pixels))[0] + 0.5)
    return blend_with(pixels, mean, factor)


def saturate(pixels: Pixels, factor: float) -> Pixels:
    """Move every pixel away from its grey value: 0 is grey, 1 changes nothing."""
    if pixels.ndim == 2:
        return pixels
    flat = cv2.cvtColor(grey(pixels), cv2.COLOR_GRAY2RGB)
    return _array(cv2.addWeighted(pixels, factor, flat, 1 - factor, _CUT))


def turn_hue(pixels: Pixels, factor: float) -> Pixels:
    """Turn the hue by `factor` of the circle, -0.5..0.5."""
    if pixels.ndim == 2:
        return pixels
    hsv = cv2.cvtColor(pixels, cv2.COLOR_RGB2HSV_FULL)  # [H, W, 3], the circle is 0..255
    turn = np.zeros_like(hsv[0])  # [W, 3]: whole rows are added, not one value in three
    turn[:, 0] = round(factor * 256) % 256
    hsv += turn
    return _array(cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB_FULL))


_STEPS = (brighten, stretch_contrast, saturate, turn_hue)


@PIPELINES.register_module()
class ColorJitter(OnPixels, T.ColorJitter):  # type: ignore[misc]
    """torchvision's: four changes of colour in random order, their strengths drawn uniformly."""

    def change(self, pixels: Pixels) -> Pixels:
        order, *factors = self.get_params(self.brightness, self.contrast, self.saturation, self.hue)
        for number in order.tolist():
            factor = factors[number]
            if factor is not None:
                pixels = _STEPS[number](pixels, factor)
        return pixels


@PIPELINES.register_module()
class RandomGrayscale(OnPixels, T.RandomGrayscale):  # type: ignore[misc]
    """torchvision's: the luma in all three channels, with probability `p`."""

    def change(self, pixels: Pixels) -> Pixels:
        if not happens(self.p) or pixels.ndim == 2:
            return pixels
        return _array(cv2.cvtColor(grey(pixels), cv2.COLOR_GRAY2RGB))


def _array(pixels: Any) -> Pixels:
    """What OpenCV returns, under its type."""
    return pixels  # type: ignore[no-any-return]
