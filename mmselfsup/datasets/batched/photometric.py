"""Colour jitter, grey, solarization and blur of a batch, with own parameters for each image.

The arithmetic is that of ``mmselfsup.datasets.pipelines.photometric``, in float32 with integer
values after every step.

Letters: N images, H, W size of an image, K taps of a kernel.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from ..pipelines.compose import bernoulli
from .base import BatchedPixelTransform, SampledParams, apply_to_selected, quantize_
from .geometric import resample

BRIGHTNESS, CONTRAST, SATURATION, HUE = range(4)  # torchvision's numbers
_CIRCLE = 256.0  # of hues


def luma(images: Tensor) -> Tensor:
    """Return the luma (ITU-R 601) of images [N, 3, H, W]: [N, 1, H, W], integer values."""
    red, green, blue = images.split(1, dim=1)
    return (0.299 * red).add_(green, alpha=0.587).add_(blue, alpha=0.114).round_()


class Jitter(BatchedPixelTransform):
    """The batched ``ColorJitter``.

    Parameters: for each step the change (``BRIGHTNESS``, ...) and its strength. Brightness,
    contrast and saturation are one formula, a mixture with black, with the mean of the grey image,
    or with the grey image; so a step is one pass over all images, whichever of them each needs.
    """

    def __init__(self, transform: Any) -> None:
        self.transform = transform
        ranges = transform.brightness, transform.contrast, transform.saturation, transform.hue
        self.ranges = ranges
        self.steps = sum(strength is not None for strength in ranges)
        self.identity_params = (BRIGHTNESS, 1.0) * self.steps

    def sample_params(self, height: int, width: int) -> tuple[float, ...]:
        order, *factors = self.transform.get_params(*self.ranges)
        pairs = ((change, factors[change]) for change in order.tolist())
        return tuple(v for pair in pairs if pair[1] is not None for v in pair)

    def apply(self, images: Tensor, params: SampledParams) -> Tensor:
        for step in range(self.steps):
            change, strength = params.column(2 * step), params.column(2 * step + 1)
            hue = params.host[:, 2 * step] == HUE  # [N]
            if not bool(hue.all()):
                images = mix(images, change, torch.where(change == HUE, 1, strength))  # 1: identity
            images = apply_to_selected(images, hue, _turner(strength))
        return images


def mix(images: Tensor, change: Tensor, factor: Tensor) -> Tensor:
    """Return ``other + factor * (v - other)`` for every value v: brightness, contrast, saturation.

    Args:
        images: [N, 3, H, W].
        change: [N, 1, 1, 1]: decides what ``other`` is; for any other change it is black.
        factor: [N, 1, 1, 1]: 1 changes nothing.
    """
    grey = luma(images)
    mean = grey.mean((2, 3), keepdim=True).add_(0.5).floor_()  # [N, 1, 1, 1]
    other = (change == SATURATION) * grey + (change == CONTRAST) * mean
    return quantize_(torch.lerp(other.expand_as(images), images, factor))


def turn_hue(images: Tensor, turn: Tensor) -> Tensor:
    """Return images with the hue turned by ``turn`` of the circle, in 8-bit HSV as in OpenCV.

    Args:
        images: [N, 3, H, W].
        turn: [N, 1, 1, 1], -0.5..0.5.
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
    # Hue and saturation are rounded to 8 bits, as OpenCV stores them.
    hue = (sector * (_CIRCLE / 6)).round_() + (turn * _CIRCLE).round()
    hue = hue.remainder_(_CIRCLE).mul_(6 / _CIRCLE)
    saturated = (spread * (255 / value.clamp(min=1))).round_().mul_(1 / 255)
    # Back to RGB by v - v * s * max(0, min(k, 4 - k, 1)), k = (n + hue) mod 6, n = 5, 3, 1 for R,
    # G, B: one formula in the place of six cases.
    place = torch.tensor([5.0, 3.0, 1.0]).to(images.device, non_blocking=True).view(3, 1, 1)
    distance = (hue + place).remainder_(6)  # [N, 3, H, W]
    missing = torch.minimum(distance, 4 - distance).clamp_(0, 1)
    return (value - value * saturated * missing).round_()


class Grey(BatchedPixelTransform):
    """The batched ``RandomGrayscale``. Parameter: 1 to apply it."""

    identity_params = (0,)

    def __init__(self, transform: Any) -> None:
        self.p = transform.p

    def sample_params(self, height: int, width: int) -> tuple[float, ...]:
        return (float(bernoulli(self.p)),)

    def apply(self, images: Tensor, params: SampledParams) -> Tensor:
        chosen = params.host[:, 0] > 0
        return apply_to_selected(images, chosen, lambda own, _: luma(own).repeat(1, 3, 1, 1))


class Solarize(BatchedPixelTransform):
    """The batched ``Solarization``. Parameter: 1 to apply it."""

    identity_params = (0,)

    def __init__(self, transform: Any) -> None:
        self.p, self.threshold = transform.p, transform.threshold

    def sample_params(self, height: int, width: int) -> tuple[float, ...]:
        return (float(bernoulli(self.p)),)

    def apply(self, images: Tensor, params: SampledParams) -> Tensor:
        inverted = (images >= self.threshold) & (params.column(0) > 0)
        return torch.where(inverted, 255 - images, images)


class Blur(BatchedPixelTransform):
    """The batched ``GaussianBlur``. Parameter: the standard deviation in pixels, 0 for no blur."""

    identity_params = (0,)

    def __init__(self, transform: Any) -> None:
        self.transform = transform
        self.radius = _radius(transform.sigma_max)

    def sample_params(self, height: int, width: int) -> tuple[float, ...]:
        return (self.transform.sample_sigma(),)

    def apply(self, images: Tensor, params: SampledParams) -> Tensor:
        sigmas = params.device[:, 0]
        return apply_to_selected(
            images, params.host[:, 0] > 0, lambda own, take: blur(own, take(sigmas), self.radius)
        )


def blur(images: Tensor, sigmas: Tensor, radius: int) -> Tensor:
    """Return each image blurred with its own Gaussian; the border pixels are repeated outwards.

    Args:
        images: [N, 3, H, W], integer values.
        sigmas: [N], above 0.
        radius: Of the widest kernel, K = 2 * radius + 1.

    Returns:
        [N, 3, H, W], integer values.
    """
    offsets = torch.arange(-radius, radius + 1, device=images.device)  # [K]
    widths = sigmas[:, None]
    reach = (6 * widths + 1).round().div_(2).floor_()  # [N, 1], as ``_radius`` for each
    # All kernels have K taps; those beyond an image's own radius are 0, as in the transform.
    taps = torch.exp(-(offsets**2) / (2 * widths**2)) * (offsets.abs() <= reach)  # [N, K]
    taps = taps / taps.sum(1, keepdim=True)
    # A blur is a linear map along each axis, so it is one matrix for each axis and image.
    rows, columns = (
        (taps @ shifts(radius, size, images.device).flatten(1)).view(-1, size, size)
        for size in images.shape[2:]
    )
    return resample(images.permute(0, 2, 3, 1), rows, columns).round_()


@lru_cache(maxsize=16)
def shifts(radius: int, size: int, device: torch.device) -> Tensor:
    """Return the source of each tap: [K, size, size], 1 at (tap, result, source), else 0."""
    positions = torch.arange(size, device=device)
    offsets = torch.arange(-radius, radius + 1, device=device)
    source = (positions[:, None] + offsets).clamp(0, size - 1)  # [size, K]
    return (source.T[:, :, None] == positions).float()


def _turner(strength: Tensor) -> Callable[[Tensor, Callable[[Tensor], Tensor]], Tensor]:
    """Return ``turn_hue`` in the form that ``apply_to_selected`` calls."""
    return lambda images, take: turn_hue(images, take(strength))


def _radius(sigma: float) -> int:
    """Return the taps on each side: three standard deviations, rounded as for the transform."""
    return (round(6 * sigma + 1) | 1) // 2
