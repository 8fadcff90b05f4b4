"""Brightness, contrast, saturation, hue and grey, in 8 bits.

The arithmetic is Pillow's: values are rounded down to integers. Brightness, contrast, saturation
and grey differ from it by one level at most, on few values. The hue is turned in OpenCV's HSV,
which is finer than Pillow's.

Letters: H and W of an image.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import torchvision.transforms as T

from ..builder import PIPELINES
from .chance import bernoulli
from .pixels import OnPixels, Pixels

_CUT = -0.499  # added before OpenCV rounds to nearest: rounds down, and keeps integers


def grey(pixels: Pixels) -> Pixels:
    """Return the luma (ITU-R 601) [H, W] of an image [H, W, 3] or [H, W]."""
    return pixels if pixels.ndim == 2 else _array(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY))


def blend_with(pixels: Pixels, value: float, factor: float) -> Pixels:
    """Return ``value + factor * (v - value)`` clipped to 0..255, for every value v."""
    return _array(cv2.addWeighted(pixels, factor, pixels, 0, (1 - factor) * value + _CUT))


def brighten(pixels: Pixels, factor: float) -> Pixels:
    """Return the image with all values multiplied: 0 is black, 1 is the identity."""
    return blend_with(pixels, 0, factor)


def stretch_contrast(pixels: Pixels, factor: float) -> Pixels:
    """Return all values scaled around the mean of the grey image: 0 is flat, 1 the identity."""
    mean = int(cv2.mean(grey(pixels))[0] + 0.5)
    return blend_with(pixels, mean, factor)


def saturate(pixels: Pixels, factor: float) -> Pixels:
    """Return every pixel scaled around its grey value: 0 is grey, 1 the identity."""
    if pixels.ndim == 2:
        return pixels
    flat = cv2.cvtColor(grey(pixels), cv2.COLOR_GRAY2RGB)
    return _array(cv2.addWeighted(pixels, factor, flat, 1 - factor, _CUT))


def turn_hue(pixels: Pixels, factor: float) -> Pixels:
    """Return the image with its hue turned by ``factor`` of the circle, -0.5..0.5."""
    if pixels.ndim == 2:
        return pixels
    hsv = cv2.cvtColor(pixels, cv2.COLOR_RGB2HSV_FULL)  # [H, W, 3], the circle is 0..255
    turn = np.zeros_like(hsv[0])  # [W, 3]: adding whole rows is faster than every third value
    turn[:, 0] = round(factor * 256) % 256
    hsv += turn  # wraps at 256, as the circle does
    return _array(cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB_FULL))


_STEPS = (brighten, stretch_contrast, saturate, turn_hue)  # in torchvision's numbering


@PIPELINES.register_module()
class ColorJitter(OnPixels, T.ColorJitter):  # type: ignore[misc]
    """As in torchvision: four colour changes in random order, with uniform random strengths."""

    def change(self, pixels: Pixels) -> Pixels:
        order, *factors = self.get_params(self.brightness, self.contrast, self.saturation, self.hue)
        for index in order.tolist():
            factor = factors[index]
            if factor is not None:
                pixels = _STEPS[index](pixels, factor)
        return pixels


@PIPELINES.register_module()
class RandomGrayscale(OnPixels, T.RandomGrayscale):  # type: ignore[misc]
    """As in torchvision: the luma in all three channels, with probability ``p``."""

    def change(self, pixels: Pixels) -> Pixels:
        if not bernoulli(self.p) or pixels.ndim == 2:
            return pixels
        return _array(cv2.cvtColor(grey(pixels), cv2.COLOR_GRAY2RGB))


def _array(pixels: Any) -> Pixels:
    """Return a result of OpenCV under its type."""
    return pixels  # type: ignore[no-any-return]
