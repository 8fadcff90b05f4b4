"""Crop, flips and quarter turns: one resampling for all of them.

Letters: N images, H, W of a source, S, T of the result.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor
from torchvision.transforms import InterpolationMode

from ...utils.errors import ArgumentError
from ..pipelines.chance import happens
from .resample import axis_weights, resample
from .twin import Drawn, Twin

_MODES = (InterpolationMode.BILINEAR, InterpolationMode.BICUBIC)


class Crop(Twin):
    """The twin of `RandomResizedCrop`. Numbers: top, left, height, width in pixels."""

    nothing = (0, 0, 0, 0)  # never used: a crop stands alone, at the beginning

    def __init__(self, transform: Any) -> None:
        if transform.interpolation not in _MODES or transform.antialias is False:
            raise ArgumentError(
                "device_transforms: RandomResizedCrop has a batched twin for bilinear and bicubic "
                f"interpolation with antialias, not for {transform.interpolation.value}, "
                f"antialias={transform.antialias}"
            )
        self.transform = transform
        self.cubic = transform.interpolation is InterpolationMode.BICUBIC
        self.size: tuple[int, int] = tuple(transform.size)

    def draw(self, height: int, width: int) -> tuple[float, ...]:
        drawn: tuple[int, int, int, int] = self.transform.draw(height, width)
        return drawn

    def apply(self, pixels: Tensor, drawn: Drawn, turned: Orientation) -> Tensor:
        """Crop, resize, flip and turn.

        Args:
            pixels: [N, H, W, 3] float32 in 0..255, padded or not.
            drawn: [N, 4].
            turned: what the flips and turns behind the crop come to.

        Returns:
            [N, 3, S, T], whole numbers in 0..255.
        """
        top, left, height, width = drawn.there.unbind(1)
        flips = torch.stack([turned.flip_rows, turned.flip_columns]).float()  # [2, N]
        flip_rows, flip_columns = flips.to(pixels.device, non_blocking=True)
        rows = axis_weights(top, height, flip_rows, pixels.shape[1], self.size[0], self.cubic)
        columns = axis_weights(left, width, flip_columns, pixels.shape[2], self.size[1], self.cubic)
        images = resample(pixels, rows, columns).round_().clamp_(0, 255)
        if not bool(turned.transpose.any()):
            return images
        swap = turned.transpose.to(pixels.device, non_blocking=True)[:, None, None, None]
        return torch.where(swap, images.transpose(2, 3), images)


class Orientation(NamedTuple):
    """Flips of rows and of columns, then a transposition: all eight ways to lay a square.

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
        """Nothing, for `num` images."""
        return cls(*torch.zeros(3, num, dtype=torch.bool).unbind())

    def flipped(self, rows: Tensor, columns: Tensor) -> Orientation:
        """This, and then flips of the rows and columns that are seen now; [N] bool each."""
        across = self.transpose
        return Orientation(
            self.flip_rows ^ torch.where(across, columns, rows),
            self.flip_columns ^ torch.where(across, rows, columns),
            across,
        )

    def turned(self, quarters: Tensor) -> Orientation:
        """This, and then quarter turns counter-clockwise; [N], 0 to 3."""
        odd, half = quarters % 2 == 1, quarters >= 2
        quarter = Orientation(self.flip_rows, self.flip_columns, self.transpose ^ odd)
        return quarter.flipped(odd ^ half, half)  # a quarter: transposed, then rows backwards


class Turn(Twin):
    """A twin whose work the crop does."""

    def after(self, before: Orientation, drawn: Tensor) -> Orientation:
        """The orientation `before`, and then what was `drawn` [N, 1], on the host."""
        raise NotImplementedError


class Flip(Turn):
    """The twin of `RandomHorizontalFlip` and `RandomVerticalFlip`. Number: 1 where it happens."""

    nothing = (0,)

    def __init__(self, transform: Any) -> None:
        self.p = transform.p
        self.vertical = "Vertical" in type(transform).__name__

    def draw(self, height: int, width: int) -> tuple[float, ...]:
        return (float(happens(self.p)),)

    def after(self, before: Orientation, drawn: Tensor) -> Orientation:
        done = drawn[:, 0] > 0
        never = torch.zeros_like(done)
        return before.flipped(done, never) if self.vertical else before.flipped(never, done)


class QuarterTurn(Turn):
    """The twin of `RandomRotation` by one multiple of 90 degrees. Number: quarter turns, 0 to 3."""

    nothing = (0,)

    def __init__(self, transform: Any) -> None:
        low, high = transform.degrees
        if low != high or low % 90 or transform.center is not None:
            raise ArgumentError(
                "device_transforms: RandomRotation has a batched twin for one multiple of 90 "
                f"degrees, such as degrees=(90, 90), not for {list(transform.degrees)}"
            )
        self.transform, self.quarters = transform, int(low // 90) % 4

    def draw(self, height: int, width: int) -> tuple[float, ...]:
        self.transform.get_params(self.transform.degrees)  # one number of the generator
        return (float(self.quarters),)

    def after(self, before: Orientation, drawn: Tensor) -> Orientation:
        return before.turned(drawn[:, 0].long())
