"""Crop, flips and quarter turns of a batch, as one resampling.

A crop, its resizing with a filter against aliasing, and flips are linear maps along rows and
columns. Written as matrices, one for each axis and image, they are exact, however large the crop,
and two batched products do all of them: the filter is Pillow's (a triangle or a cubic, widened as
the image shrinks), whereas sampling single points on a grid would alias.

Letters: N images, H, W size of a source, S, T size of the result, C channels.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor
from torchvision.transforms import InterpolationMode

from mmselfsup.utils.errors import ArgumentError

from ..pipelines.compose import bernoulli
from .base import BatchedTransform, SampledParams

_MODES = (InterpolationMode.BILINEAR, InterpolationMode.BICUBIC)
_CUBIC = -0.5  # Pillow's


class Orientation(NamedTuple):
    """Flips of rows and of columns, then a transposition: all eight symmetries of a square.

    Attributes:
        flip_rows: [N] bool on the host.
        flip_columns: [N] bool on the host.
        transpose: [N] bool on the host.
    """

    flip_rows: Tensor
    flip_columns: Tensor
    transpose: Tensor

    @classmethod
    def upright(cls, num: int) -> Orientation:
        """Return the identity for ``num`` images."""
        return cls(*torch.zeros(3, num, dtype=torch.bool).unbind())

    def flipped(self, rows: Tensor, columns: Tensor) -> Orientation:
        """Return this orientation followed by flips of rows and columns, [N] bool each."""
        across = self.transpose  # then a flip of the visible rows is one of the source's columns
        return Orientation(
            self.flip_rows ^ torch.where(across, columns, rows),
            self.flip_columns ^ torch.where(across, rows, columns),
            across,
        )

    def turned(self, quarters: Tensor) -> Orientation:
        """Return this orientation followed by counter-clockwise quarter turns, [N], 0 to 3."""
        odd, half = quarters % 2 == 1, quarters >= 2
        quarter = Orientation(self.flip_rows, self.flip_columns, self.transpose ^ odd)
        return quarter.flipped(odd ^ half, half)  # a quarter turn: transpose, then flip the rows


class Crop(BatchedTransform):
    """The batched ``RandomResizedCrop``. Parameters: top, left, height, width in pixels."""

    identity_params = (0, 0, 0, 0)  # never used: a crop is never part of a group

    def __init__(self, transform: Any) -> None:
        if transform.interpolation not in _MODES or transform.antialias is False:
            raise ArgumentError(
                "device_transforms: RandomResizedCrop is batched only with bilinear or bicubic "
                f"interpolation with antialias, not for {transform.interpolation.value}, "
                f"antialias={transform.antialias}"
            )
        self.transform = transform
        self.cubic = transform.interpolation is InterpolationMode.BICUBIC
        self.size: tuple[int, int] = tuple(transform.size)

    def sample_params(self, height: int, width: int) -> tuple[float, ...]:
        box: tuple[int, int, int, int] = self.transform.sample_params(height, width)
        return box

    def apply(self, pixels: Tensor, params: SampledParams, orientation: Orientation) -> Tensor:
        """Return the images cropped, resized, flipped and turned.

        Args:
            pixels: [N, H, W, 3] float32 in 0..255, padded or not.
            params: [N, 4].
            orientation: The combined effect of the flips and turns that follow the crop.

        Returns:
            [N, 3, S, T], integer values in 0..255.
        """
        # Flips reverse rows of the two matrices, at no cost; only a transposition costs a copy.
        top, left, height, width = params.device.unbind(1)
        flips = torch.stack([orientation.flip_rows, orientation.flip_columns]).float()  # [2, N]
        flip_rows, flip_columns = flips.to(pixels.device, non_blocking=True)
        rows = axis_weights(top, height, flip_rows, pixels.shape[1], self.size[0], self.cubic)
        columns = axis_weights(left, width, flip_columns, pixels.shape[2], self.size[1], self.cubic)
        images = resample(pixels, rows, columns).round_().clamp_(0, 255)
        if not bool(orientation.transpose.any()):
            return images
        swap = orientation.transpose.to(pixels.device, non_blocking=True)[:, None, None, None]
        return torch.where(swap, images.transpose(2, 3), images)


class Turn(BatchedTransform):
    """A batched transform that the crop carries out as part of its resampling."""

    def after(self, before: Orientation, params: Tensor) -> Orientation:
        """Return the orientation ``before`` followed by this step.

        Args:
            before: Of N images.
            params: [N, 1], on the host.
        """
        raise NotImplementedError


class Flip(Turn):
    """The batched ``RandomHorizontalFlip`` and ``RandomVerticalFlip``. Parameter: 1 to flip."""

    identity_params = (0,)

    def __init__(self, transform: Any) -> None:
        self.p = transform.p
        self.vertical = "Vertical" in type(transform).__name__

    def sample_params(self, height: int, width: int) -> tuple[float, ...]:
        return (float(bernoulli(self.p)),)

    def after(self, before: Orientation, params: Tensor) -> Orientation:
        flip = params[:, 0] > 0
        keep = torch.zeros_like(flip)
        return before.flipped(flip, keep) if self.vertical else before.flipped(keep, flip)


class QuarterTurn(Turn):
    """The batched ``RandomRotation`` by multiples of 90 degrees. Parameter: quarter turns, 0..3."""

    identity_params = (0,)

    def __init__(self, transform: Any) -> None:
        low, high = transform.degrees
        if low != high or low % 90 or transform.center is not None:
            raise ArgumentError(
                "device_transforms: RandomRotation is batched only by one multiple of 90 "
                f"degrees, such as degrees=(90, 90), not for {list(transform.degrees)}"
            )
        self.transform, self.quarters = transform, int(low // 90) % 4

    def sample_params(self, height: int, width: int) -> tuple[float, ...]:
        self.transform.get_params(self.transform.degrees)  # takes one number from the generator
        return (float(self.quarters),)

    def after(self, before: Orientation, params: Tensor) -> Orientation:
        return before.turned(params[:, 0].long())


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


def _cubic(distance: Tensor) -> Tensor:
    """Return Keys' cubic filter of distances from 0."""
    near = ((_CUBIC + 2) * distance - (_CUBIC + 3)) * distance * distance + 1
    far = ((distance - 5) * distance + 8) * distance * _CUBIC - 4 * _CUBIC
    return torch.where(distance < 1, near, torch.where(distance < 2, far, 0))
