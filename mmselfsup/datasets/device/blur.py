"""Gaussian blur of a batch, with another standard deviation for each image.

Letters: N images, H, W of an image, K taps of the widest kernel.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from .resample import resample
from .twin import BatchedPixelTransform, SampledParams, apply_to_selected


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


def _radius(sigma: float) -> int:
    """Return the taps on each side: three standard deviations, rounded as for the transform."""
    return (round(6 * sigma + 1) | 1) // 2


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
