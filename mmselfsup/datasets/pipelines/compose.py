"""Chains of transforms: all of them, a group with some probability, or timm's whole training chain.

A chain converts between arrays and PIL images only where a transform needs it. Importing this file
also registers every transform of ``torchvision.transforms`` under its own name, except those
replaced in this folder.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Sequence
from enum import Enum
from functools import partial
from typing import Any

import numpy as np
import torch
from mmcv.utils import build_from_cfg
from PIL import Image
from torch import Tensor
from torchvision import transforms
from torchvision.transforms import Compose

from mmselfsup.utils.errors import ArgumentError, UserError, one_line

from ..registry import PIPELINES, Config
from .channel_order import exchange_channels, inner_steps, weighs_colours
from .encoded import EncodedImage
from .formatting import (
    Normalize,
    ToTensor,
    check_statistics,
    num_channels,
    takes_encoded,
    takes_pixels,
    to_image,
    to_pixels,
)

_RGB = "RGB"
# Steps that take values in 0..1 or bytes: behind Normalize they would cut values off, or fail.
_OF_UNIT_VALUES = {
    "AugMix", "AutoAugment", "ColorJitter", "Lighting", "RandAugment", "RandomAdjustSharpness",
    "RandomAutocontrast", "RandomEqualize", "RandomInvert", "RandomPosterize", "RandomSolarize",
    "Solarization", "ToPILImage", "ToTensor", "TrivialAugmentWide",
}  # fmt: skip
# Names that mean our own classes.
_OWN = {
    "CenterCrop", "ColorJitter", "GaussianBlur", "Normalize", "RandomGrayscale",
    "RandomHorizontalFlip", "RandomResizedCrop", "RandomRotation", "RandomVerticalFlip", "Resize",
    "ToTensor",
}  # fmt: skip


class Chain(Compose):  # type: ignore[misc]
    """torchvision's ``Compose`` for arrays.

    Transforms that accept arrays [H, W, 3] or [H, W] receive them, the others a PIL image. A file
    that is not decoded yet is decoded by the first transform, or for it. An input
    that is a PIL image is passed on as in ``Compose``. ``ToTensor`` followed by ``Normalize`` is
    done in one pass.

    Attributes:
        channel_order: Of the images, ``rgb`` or ``bgr``; see ``channel_order``.
    """

    takes_pixels = True
    channel_order = "rgb"

    def __call__(self, img: Any) -> Any:
        transforms, position = self.transforms, 0
        if isinstance(img, EncodedImage) and not (transforms and takes_encoded(transforms[0])):
            img = img.pixels()
        # a PIL image is never turned into an array
        arrays = isinstance(img, np.ndarray | EncodedImage)
        while position < len(transforms):
            normalised = _normalised(transforms[position : position + 2], img)
            if normalised is not None:
                img, position = normalised, position + 2
            else:
                img, position = self._step(transforms[position], img, arrays), position + 1
        return img

    def _step(self, transform: Any, img: Any, arrays: bool) -> Any:
        """Return the image after a transform, which gets RGB where it weighs colours."""
        if self.channel_order == "rgb" or not weighs_colours(transform):
            return _apply(transform, img, arrays)
        return exchange_channels(_apply(transform, exchange_channels(img), arrays))


@PIPELINES.register_module()
class RandomAppliedTrans:
    """A list of transforms that is applied with some probability.

    Args:
        transforms: Configs of the transforms.
        p: Probability of applying them.
    """

    takes_pixels = True

    def __init__(self, transforms: Sequence[dict[str, Any]], p: float = 0.5) -> None:
        check_probability(p)
        self.trans: Any = build_pipeline(transforms)
        self.p = p

    def __call__(self, img: Any) -> Any:
        return self.trans(img) if bernoulli(self.p) else img

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.trans!r}, p={self.p})"


def check_probability(p: float, name: str = "p") -> None:
    """Check that ``p`` is a probability.

    Args:
        p: The value.
        name: Of the argument, for the message.

    Raises:
        ArgumentError: It is not in 0..1.
    """
    if not 0 <= p <= 1:
        raise ArgumentError(f"{name} must be in 0..1, got {p}")


def bernoulli(p: float) -> bool:
    """Return True with probability ``p``, with one number from torch's generator."""
    return torch.rand(()).item() < p


@PIPELINES.register_module()
class RandomAug:
    """The complete training transform of timm: crop, flip, augment, to tensor, normalise, erase.

    It needs the library timm. Arguments that are None keep timm's defaults, except
    ``color_jitter``, where None means none.

    Args:
        input_size: Side of the image.
        color_jitter: Strength of the colour jitter.
        auto_augment: Policy in timm's spelling, such as ``rand-m9-mstd0.5-inc1``.
        interpolation: ``bilinear``, ``bicubic`` or ``random``.
        re_prob: Probability of random erasing.
        re_mode: Content of an erased area: ``const``, ``rand`` or ``pixel``.
        re_count: Number of erased areas in an image.
        mean: Mean of each channel, in 0..1.
        std: Standard deviation of each channel, in 0..1.
    """

    def __init__(
        self,
        input_size: int | None = None,
        color_jitter: float | None = None,
        auto_augment: str | None = None,
        interpolation: str | None = None,
        re_prob: float | None = None,
        re_mode: str | None = None,
        re_count: int | None = None,
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
    ) -> None:
        try:  # timm is an optional dependency
            create_transform = importlib.import_module("timm.data").create_transform
        except ImportError as error:
            raise UserError(
                "RandomAug needs timm, which is not installed: pip install timm"
            ) from error
        options: dict[str, Any] = {
            "input_size": input_size,
            "auto_augment": auto_augment,
            "interpolation": interpolation,
            "re_prob": re_prob,
            "re_mode": re_mode,
            "re_count": re_count,
            "mean": mean,
            "std": std,
        }
        given = {name: value for name, value in options.items() if value is not None}
        check_statistics(mean or (), std or ())
        self._create = partial(create_transform, is_training=True, color_jitter=color_jitter)
        self._given = given
        self.transforms = self._create(**given)

    def use_channel_order(self, channel_order: str) -> None:
        """Take images of this order, which ``mean`` and ``std`` are in; timm's steps see RGB."""
        if channel_order == "rgb":
            return
        options: dict[str, Any] = dict(self._given)
        for name in ("mean", "std"):
            if name in options:
                options[name] = options[name][::-1]
        in_rgb = self._create(**options)
        self.transforms = Compose([exchange_channels, in_rgb, exchange_channels])

    def __call__(self, img: Any) -> Any:
        return self.transforms(img)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.transforms!r})"


def build_pipeline(cfgs: Sequence[Config], channel_order: str = "rgb") -> Callable[[Any], Any]:
    """Return the transforms of a pipeline, built from their configs and chained.

    Args:
        cfgs: Configs of the transforms.
        channel_order: Of the images, ``rgb`` or ``bgr``.

    Raises:
        ArgumentError: ``Normalize`` has statistics of 0..255 for the 0..1 of ``ToTensor``, is there
            twice, or stands before a step that takes values in 0..1.
    """
    steps = [build_from_cfg(cfg, PIPELINES) for cfg in cfgs]
    in_unit, normalised = False, False  # whether the values are in 0..1, or were normalised
    for step in steps:
        if normalised:
            _check_behind_normalize(step)
        known = type(step).__module__.partition(".")[0] in ("mmselfsup", "torchvision")
        if isinstance(step, Normalize):
            if in_unit:
                check_statistics(step.mean, step.std)
            in_unit, normalised = False, True
        else:  # a step of the user may scale them again
            in_unit = isinstance(step, ToTensor | transforms.ToTensor) or (in_unit and known)
            normalised = normalised and known
        if hasattr(step, "use_channel_order"):  # it has a pipeline of its own
            step.use_channel_order(channel_order)
    chain = Chain(steps)
    chain.channel_order = channel_order
    return chain


def _check_behind_normalize(step: Any) -> None:
    """Check that a step, or one inside of it, takes normalised values.

    Raises:
        ArgumentError: It does not.
    """
    if isinstance(step, transforms.Normalize):
        raise ArgumentError(
            "Normalize is there twice: the second one would normalise normalised values; take one "
            "of them out"
        )
    name = type(step).__name__
    if name in _OF_UNIT_VALUES and isinstance(step, PIPELINES.get(name)):
        raise ArgumentError(
            f"{name} stands behind Normalize, and takes images or values in 0..1: put it in front "
            "of ToTensor"
        )
    for part in inner_steps(step):
        _check_behind_normalize(part)


def _normalised(transforms: Sequence[Any], img: Any) -> Tensor | None:
    """Return the result of ``ToTensor`` and ``Normalize``; None where they are not next."""
    if len(transforms) < 2 or not isinstance(transforms[0], ToTensor):
        return None
    normalize = transforms[1]
    return normalize.from_image(img) if isinstance(normalize, Normalize) else None


def _apply(transform: Any, img: Any, arrays: bool) -> Any:
    """Return the transformed image; ``arrays``: whether PIL images may be turned into arrays."""
    if isinstance(img, np.ndarray) and not takes_pixels(transform):
        img = to_image(img)
    elif arrays and isinstance(img, Image.Image) and takes_pixels(transform):
        pixels = to_pixels(img)
        img = img if pixels is None else pixels
    try:
        return transform(img)
    except UserError:
        raise
    except Exception as error:
        if not hasattr(error, "transform"):  # the innermost one, for the check before a run
            error.transform = type(transform).__name__  # type: ignore[attr-defined]
        if not isinstance(error, RuntimeError | TypeError | ValueError):
            raise
        found, wanted = num_channels(img), len(getattr(transform, "mean", _RGB))
        if found in (None, wanted):
            raise
        raise UserError(
            f"the transform {type(transform).__name__} is made for {wanted} channels, the image "
            f"has {found}: give it that many values, take it out of the pipeline, or read the "
            f"images with color_type='color' ({one_line(error)})"
        ) from error


def _register() -> None:
    """Register torchvision's classes."""
    for name, cls in inspect.getmembers(transforms, inspect.isclass):
        if name not in _OWN and not issubclass(cls, Enum):
            PIPELINES.register_module(name=name, module=cls)


_register()
