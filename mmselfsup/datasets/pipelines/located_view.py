"""A view that knows where in the image it comes from, for losses that compare places of views."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mmselfsup.utils.errors import ArgumentError

from ..registry import PIPELINES, Config
from .channel_order import inner_steps
from .compose import bernoulli, build_pipeline, check_probability
from .encoded import EncodedImage
from .formatting import colours
from .geometric import RandomResizedCrop


@PIPELINES.register_module()
class LocatedView:
    """A crop with flips and quarter turns, then further transforms, and the way back to the image.

    It is the only transform of a pipeline. The result is the view, and an affine map [2, 3]
    (float32): the point at the fractions (u, v) of the view's width and height was at the pixel
    ``map @ (u, v, 1)`` of the image, (x, y).

    Args:
        size: Side of the view in pixels.
        scale: See ``RandomResizedCrop``.
        horizontal_flip: Probability of a flip of left and right.
        vertical_flip: Probability of a flip of top and bottom.
        quarter_turn: Probability of a counter-clockwise turn by 90 degrees.
        transforms: Configs of the transforms that follow; they may not move pixels.

    Raises:
        ArgumentError: A probability is out of range, or one of ``transforms`` moves pixels.
    """

    takes_pixels = True
    takes_encoded = True

    def __init__(
        self,
        size: int,
        transforms: Sequence[Config],
        scale: tuple[float, float] = (0.2, 1.0),
        horizontal_flip: float = 0.5,
        vertical_flip: float = 0.0,
        quarter_turn: float = 0.0,
    ) -> None:
        for name, p in (
            ("horizontal_flip", horizontal_flip),
            ("vertical_flip", vertical_flip),
            ("quarter_turn", quarter_turn),
        ):
            check_probability(p, name)
        self.crop = RandomResizedCrop(size=size, scale=scale)
        self.horizontal_flip, self.vertical_flip = horizontal_flip, vertical_flip
        self.quarter_turn = quarter_turn
        self.finish: Any = build_pipeline(transforms)
        _check_in_place(self.finish)

    def __call__(self, pixels: Any) -> tuple[Any, Tensor]:
        """Return the view and its map [2, 3] for an image [H, W] or [H, W, 3]."""
        image = pixels if isinstance(pixels, EncodedImage) else np.asarray(colours(pixels))
        view, (top, left, height, width) = self.crop.cut(image)
        way = torch.tensor([[width, 0, left], [0, height, top]], dtype=torch.float32)
        if bernoulli(self.horizontal_flip):
            view, way = view[:, ::-1], way @ _FLIP_U
        if bernoulli(self.vertical_flip):
            view, way = view[::-1], way @ _FLIP_V
        if bernoulli(self.quarter_turn):
            view, way = np.rot90(view), way @ _TURN
        return self.finish(np.ascontiguousarray(view)), way

    def use_channel_order(self, channel_order: str) -> None:
        """Take images of this order."""
        self.finish.channel_order = channel_order

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.crop!r}, {self.finish!r})"


# Transforms of this package and of torchvision after which the map would be that of other pixels.
_MOVING = {
    "AugMix", "AutoAugment", "CenterCrop", "ElasticTransform", "FiveCrop", "Pad", "RandAugment",
    "RandomAffine", "RandomAug", "RandomCrop", "RandomHorizontalFlip", "RandomPerspective",
    "RandomResizedCrop", "RandomResizedCropAndInterpolationWithTwoPic", "RandomRotation",
    "RandomVerticalFlip", "Resize", "RotatedCrop", "TenCrop", "TrivialAugmentWide",
}  # fmt: skip


def _check_in_place(step: Any) -> None:
    """Check that a step, or one inside of it, leaves pixels in their places.

    Raises:
        ArgumentError: It moves them.
    """
    name = type(step).__name__
    if name in _MOVING:
        raise ArgumentError(
            f"LocatedView: {name} among its transforms would move pixels, and the map would not "
            "follow: take it out (LocatedView crops, flips and turns itself)"
        )
    for part in inner_steps(step):
        _check_in_place(part)


# Where the point (u, v, 1) of the changed view was in the view before.
_FLIP_U = torch.tensor([[-1.0, 0, 1], [0, 1, 0], [0, 0, 1]])
_FLIP_V = torch.tensor([[1.0, 0, 0], [0, -1, 1], [0, 0, 1]])
_TURN = torch.tensor([[0.0, -1, 1], [1, 0, 0], [0, 0, 1]])
