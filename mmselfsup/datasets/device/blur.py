"""Gaussian blur of a batch, each image with its own width.

Letters: N images, H, W of an image, K taps of the widest kernel.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from .resample import resample
from .twin import Drawn, PixelTwin, on_rows


class Blur(PixelTwin):
    """The twin of `GaussianBlur`. Number: the standard deviation in pixels, 0 for none."""

    nothing = (0,)

    def __init__(self, transform: Any) -> None:
        self.transform = transform
        self.radius = _radius(transform.sigma_max)

    def draw(self, height: int, width: int) -> tuple[float, ...]:
        return (self.transform.draw(),)

    def apply(self, images: Tensor, drawn: Drawn) -> Tensor:
        sigmas = drawn.there[:, 0]
        return on_rows(
            images, drawn.host[:, 0] > 0, lambda own, take: blur(own, take(sigmas), self.radius)
        )


def _radius(sigma: float) -> int:
    """Taps on each side: three standard deviations, as OpenCV counts them."""
    return (round(6 * sigma + 1) | 1) // 2


def blur(images: Tensor, sigmas: Tensor, radius: int) -> Tensor:
    """Blur each image with its own Gaussian; behind the border the last pixel goes on.

    Args:
        images: [N, 3, H, W], whole numbers.
        sigmas: [N], above 0.
        radius: K = 2 * radius + 1; no kernel is wider.

    Returns:
        [N, 3, H, W], whole numbers.
    """
    offsets = torch.arange(-radius, radius + 1, device=images.device)  # [K]
    widths = sigmas[:, None]
    reach = (6 * widths + 1).round().div_(2).floor_()  # [N, 1], `_radius` of each
    taps = torch.exp(-(offsets**2) / (2 * widths**2)) * (offsets.abs() <= reach)  # [N, K]
    taps = taps / taps.sum(1, keepdim=True)
    rows, columns = (
        (taps @ shifts(radius, size, images.device).flatten(1)).view(-1, size, size)
        for size in images.shape[2:]
    )
    return resample(images.permute(0, 2, 3, 1), rows, columns).round_()


@lru_cache(maxsize=16)
def shifts(radius: int, size: int, device: torch.device) -> Tensor:
    """Where each tap takes its value from: [K, size, size], 1 at (tap, result, source), else 0."""
    places = torch.arange(size, device=device)
    offsets = torch.arange(-radius, radius + 1, device=device)
    source = (places[:, None] + offsets).clamp(0, size - 1)  # [size, K]
    return (source.T[:, :, None] == places).float()
