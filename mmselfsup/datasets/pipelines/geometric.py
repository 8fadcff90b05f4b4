"""Crops and resizing, in 8 bits.

Resizing is Pillow's: bilinear or bicubic, with a kernel that widens as the image shrinks. torch has
the same arithmetic with vector instructions: bilinear values are equal or differ by one. OpenCV
has none of it: its ``INTER_AREA`` is a box instead of a triangle, its ``INTER_LINEAR`` aliases.

Letters: H and W of the image.
"""

from __future__ import annotations

import math
from functools import cache

import numpy as np
import torch
import torch.nn.functional as F
import torchvision.transforms as T
from torchvision.transforms import InterpolationMode

from ..builder import PIPELINES
from .pixels import OnPixels, Pixels

_MODES = {InterpolationMode.BILINEAR: "bilinear", InterpolationMode.BICUBIC: "bicubic"}
_TRIES = 10  # crops to draw before the largest central one is taken, as in torchvision


def resize(pixels: Pixels, size: tuple[int, int], mode: str = "bilinear") -> Pixels:
    """Return an image resized as Pillow does.

    Args:
        pixels: [H, W] or [H, W, 3]; may be a part of a larger image.
        size: (height, width).
        mode: ``bilinear`` or ``bicubic``.
    """
    if pixels.shape[:2] == tuple(size):
        return pixels
    if not pixels.flags.writeable:  # torch would warn
        pixels = pixels.copy()
    # with the batch axis first, torch treats the image as channels-last and keeps it so, without
    # splitting it into planes
    image = torch.from_numpy(pixels if pixels.ndim == 3 else pixels[..., None])[None]
    image = F.interpolate(image.permute(0, 3, 1, 2), size, mode=mode, antialias=True)
    resized = np.ascontiguousarray(image[0].permute(1, 2, 0).numpy())  # [height, width, C]
    return resized if pixels.ndim == 3 else resized[..., 0]


@cache
def _logarithms(ratio: tuple[float, float]) -> list[float]:
    """Return the logarithms as torchvision computes them, in float32."""
    logarithms: list[float] = torch.log(torch.tensor(ratio)).tolist()
    return logarithms


@PIPELINES.register_module()
class RandomResizedCrop(OnPixels, T.RandomResizedCrop):  # type: ignore[misc]
    """As in torchvision: a crop of a random fraction of the area and aspect ratio, resized.

    Source: Inception (Szegedy et al. 2015), section 6; arguments as in torchvision.
    """

    def change(self, pixels: Pixels) -> Pixels:
        if self.interpolation not in _MODES or self.antialias is False:
            return self.slow(pixels)
        top, left, height, width = self.sample_params(*pixels.shape[:2])
        crop = pixels[top : top + height, left : left + width]
        return resize(crop, tuple(self.size), _MODES[self.interpolation])

    def sample_params(self, height: int, width: int) -> tuple[int, int, int, int]:
        """Return a sampled (top, left, height, width) of a crop of an image of this size."""
        log_ratio = _logarithms(tuple(self.ratio))  # the ratio is log-uniform
        # torchvision's algorithm, call by call, so that one seed gives the same crop
        for _ in range(_TRIES):
            area = height * width * torch.empty(1).uniform_(*self.scale).item()
            aspect = torch.empty(1).uniform_(*log_ratio).exp_().item()
            w, h = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
            if 0 < w <= width and 0 < h <= height:
                top = int(torch.randint(0, height - h + 1, (1,)).item())
                return top, int(torch.randint(0, width - w + 1, (1,)).item()), h, w
        return self._central(height, width)

    def _central(self, height: int, width: int) -> tuple[int, int, int, int]:
        """Return the largest central crop whose aspect ratio is allowed."""
        w, h = width, height
        if width / height < min(self.ratio):
            h = round(width / min(self.ratio))
        elif width / height > max(self.ratio):
            w = round(height * max(self.ratio))
        return (height - h) // 2, (width - w) // 2, h, w


@PIPELINES.register_module()
class Resize(OnPixels, T.Resize):  # type: ignore[misc]
    """As in torchvision: the shorter side to ``size``, or both sides to (height, width)."""

    def change(self, pixels: Pixels) -> Pixels:
        rare = self.interpolation not in _MODES or self.antialias is False
        if rare or self.max_size is not None:
            return self.slow(pixels)
        return resize(pixels, self.output_size(*pixels.shape[:2]), _MODES[self.interpolation])

    def output_size(self, height: int, width: int) -> tuple[int, int]:
        """Return the (height, width) to which an image of this size is resized."""
        size = [self.size] if isinstance(self.size, int) else list(self.size)
        if len(size) == 2:
            return size[0], size[1]
        return shorter_side(height, width, size[0])


def shorter_side(height: int, width: int, size: int) -> tuple[int, int]:
    """Return (height, width) with the shorter side ``size``, the longer one rounded down."""
    if height <= width:
        return size, int(size * width / height)
    return int(size * height / width), size


@PIPELINES.register_module()
class CenterCrop(OnPixels, T.CenterCrop):  # type: ignore[misc]
    """As in torchvision: the middle of an image; one that is too small gets a black border."""

    def change(self, pixels: Pixels) -> Pixels:
        (height, width), (h, w) = pixels.shape[:2], self.size
        if h > height or w > width:
            return self.slow(pixels)
        top, left = round((height - h) / 2), round((width - w) / 2)
        return np.ascontiguousarray(pixels[top : top + h, left : left + w])
