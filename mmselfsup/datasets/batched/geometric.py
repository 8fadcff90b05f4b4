"""Crop, flips and quarter turns: one resampling for all of them.

Letters: N images, H, W of a source, S, T of the result.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor
from torchvision.transforms import InterpolationMode

from mmselfsup.utils.errors import ArgumentError

from ..pipelines.chance import bernoulli
from .resample import axis_weights, resample
from .twin import BatchedTransform, SampledParams

_MODES = (InterpolationMode.BILINEAR, InterpolationMode.BICUBIC)


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
