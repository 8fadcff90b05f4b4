"""Colours of a batch, each image with its own order and strengths.

The arithmetic is that of `mmselfsup.datasets.pipelines.color`, in float32 with whole numbers after
every step. Letters: N images, H, W of an image.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from ..pipelines.chance import happens
from .twin import Drawn, PixelTwin, on_rows, whole

BRIGHTNESS, CONTRAST, SATURATION, HUE = range(4)  # torchvision's numbers
_CIRCLE = 256.0  # of hues


def luma(images: Tensor) -> Tensor:
    """[N, 3, H, W] -> luma [N, 1, H, W] (ITU-R 601), whole numbers."""
    red, green, blue = images.split(1, dim=1)
    return (0.299 * red).add_(green, alpha=0.587).add_(blue, alpha=0.114).round_()


class Jitter(PixelTwin):
    """The twin of `ColorJitter`.

    Numbers: for each step, which change (`BRIGHTNESS`, ...) and how strong. Brightness, contrast
    and saturation are one formula, a mixture with black, with the mean of the grey image, or with
    the grey image; so a step is one pass for all images, whatever each of them does in it.
    """

    def __init__(self, transform: Any) -> None:
        self.transform = transform
        ranges = transform.brightness, transform.contrast, transform.saturation, transform.hue
        self.ranges = ranges
        self.steps = sum(strength is not None for strength in ranges)
        self.nothing = (BRIGHTNESS, 1.0) * self.steps

    def draw(self, height: int, width: int) -> tuple[float, ...]:
        order, *factors = self.transform.get_params(*self.ranges)
        pairs = ((change, factors[change]) for change in order.tolist())
        return tuple(v for pair in pairs if pair[1] is not None for v in pair)

    def apply(self, images: Tensor, drawn: Drawn) -> Tensor:
        for step in range(self.steps):
            change, strength = drawn.column(2 * step), drawn.column(2 * step + 1)
            hue = drawn.host[:, 2 * step] == HUE
            if not bool(hue.all()):
                images = mix(images, change, torch.where(change == HUE, 1, strength))
            images = on_rows(images, hue, _turner(strength))
        return images


def _turner(strength: Tensor) -> Callable[[Tensor, Callable[[Tensor], Tensor]], Tensor]:
    """`turn_hue` for `on_rows`."""
    return lambda images, take: turn_hue(images, take(strength))


def mix(images: Tensor, change: Tensor, factor: Tensor) -> Tensor:
    """Brightness, contrast or saturation: `other + factor * (v - other)` for every value v.

    Args:
        images: [N, 3, H, W].
        change: [N, 1, 1, 1]: decides what `other` is; of another change it is black.
        factor: [N, 1, 1, 1]: 1 changes nothing.
    """
    grey = luma(images)
    mean = grey.mean((2, 3), keepdim=True).add_(0.5).floor_()  # [N, 1, 1, 1]
    other = (change == SATURATION) * grey + (change == CONTRAST) * mean
    return whole(torch.lerp(other.expand_as(images), images, factor))


def turn_hue(images: Tensor, turn: Tensor) -> Tensor:
    """Turn the hue by `turn` of the circle, -0.5..0.5; in HSV of 8 bits, as OpenCV does.

    Args:
        images: [N, 3, H, W].
        turn: [N, 1, 1, 1].
    """
    red, green, blue = images.split(1, dim=1)
    value = images.amax(1, keepdim=True)
    spread = value - images.amin(1, keepdim=True)
    unit = 1 / spread.clamp(min=1)
    sector = torch.where(
        value == red,
        (green - blue) * unit,
        torch.where(value == green, (blue - red) * unit + 2, (red - green) * unit + 4),
    )  # [N, 1, H, W], -1 to 5
    hue = (sector * (_CIRCLE / 6)).round_() + (turn * _CIRCLE).round()
    hue = hue.remainder_(_CIRCLE).mul_(6 / _CIRCLE)
    saturated = (spread * (255 / value.clamp(min=1))).round_().mul_(1 / 255)
    place = torch.tensor([5.0, 3.0, 1.0]).to(images.device, non_blocking=True).view(3, 1, 1)
    distance = (hue + place).remainder_(6)  # [N, 3, H, W]
    missing = torch.minimum(distance, 4 - distance).clamp_(0, 1)
    return (value - value * saturated * missing).round_()


class Grey(PixelTwin):
    """The twin of `RandomGrayscale`. Number: 1 where it happens."""

    nothing = (0,)

    def __init__(self, transform: Any) -> None:
        self.p = transform.p

    def draw(self, height: int, width: int) -> tuple[float, ...]:
        return (float(happens(self.p)),)

    def apply(self, images: Tensor, drawn: Drawn) -> Tensor:
        return on_rows(images, drawn.host[:, 0] > 0, lambda own, _: luma(own).repeat(1, 3, 1, 1))


class Solarize(PixelTwin):
    """The twin of `Solarization`. Number: 1 where it happens."""

    nothing = (0,)

    def __init__(self, transform: Any) -> None:
        self.p, self.threshold = transform.p, transform.threshold

    def draw(self, height: int, width: int) -> tuple[float, ...]:
        return (float(happens(self.p)),)

    def apply(self, images: Tensor, drawn: Drawn) -> Tensor:
        turned = (images >= self.threshold) & (drawn.column(0) > 0)
        return torch.where(turned, 255 - images, images)
