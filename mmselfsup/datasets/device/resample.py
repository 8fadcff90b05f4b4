"""Resampling with one matrix for each axis and image.

A crop, its resizing with a filter against aliasing, and flips are linear maps along rows and
columns. Written as matrices they are exact, however large the crop, and two batched products do all
of them: the filter is Pillow's (a triangle or a cubic, widened as the image shrinks), whereas
sampling single points on a grid would alias.

Letters: N images, H, W of a source, S, T of the result.
"""

from __future__ import annotations

import torch
from torch import Tensor

_CUBIC = -0.5  # Pillow's


def axis_weights(
    begin: Tensor, extent: Tensor, flip: Tensor, length: int, size: int, cubic: bool = False
) -> Tensor:
    """Return the linear map from an axis of the source to one of the result.

    Args:
        begin: [N], first pixel of the crop.
        extent: [N], pixels of the crop.
        flip: [N], above 0 where the result runs backwards.
        length: Pixels of the source's axis, padding included.
        size: Pixels of the result's axis.
        cubic: Use the cubic filter instead of the triangle.

    Returns:
        [N, size, length] float32, each row with the sum 1.
    """
    scale = (extent / size)[:, None, None]  # source pixels for one of the result
    place = torch.arange(size, device=begin.device) + 0.5  # [size]
    place = torch.where(flip[:, None] > 0, size - place, place)[:, :, None]  # [N, size, 1]
    pixel = torch.arange(length, device=begin.device) + 0.5  # [length]
    first = begin[:, None, None]
    distance = (pixel - first - place * scale).div_(scale.clamp(min=1)).abs_()  # [N, size, length]
    weights = _cubic(distance) if cubic else (1 - distance).clamp_(min=0)
    inside = (pixel > first) & (pixel < first + extent[:, None, None])  # [N, 1, length]
    weights = weights * inside  # the filter must not reach beyond the crop; so the sum changes
    return weights.div_(weights.sum(2, keepdim=True))


def _cubic(distance: Tensor) -> Tensor:
    """Return Keys' cubic filter of distances from 0."""
    near = ((_CUBIC + 2) * distance - (_CUBIC + 3)) * distance * distance + 1
    far = ((distance - 5) * distance + 8) * distance * _CUBIC - 4 * _CUBIC
    return torch.where(distance < 1, near, torch.where(distance < 2, far, 0))


def resample(images: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Return each image with one map applied to its rows and one to its columns.

    Args:
        images: [N, H, W, C] float32.
        rows: [N, S, H].
        columns: [N, T, W].

    Returns:
        [N, C, S, T] float32, contiguous.
    """
    # Rows first, with W and C as one axis: the image needs no transposed copy.
    num, height, width, channels = images.shape
    high = torch.bmm(rows, images.reshape(num, height, width * channels))  # [N, S, W * C]
    lines = high.view(num, -1, width, channels).permute(0, 3, 1, 2)  # [N, C, S, W]
    done = torch.bmm(lines.reshape(num, -1, width), columns.transpose(1, 2))  # [N, C * S, T]
    return done.view(num, channels, -1, columns.shape[1])
