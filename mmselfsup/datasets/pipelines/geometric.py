"""Crops, resizing, flips and rotations, in 8 bits.

Resizing is Pillow's: bilinear or bicubic, with a kernel that widens as the image shrinks. torch has
the same arithmetic with vector instructions: bilinear values are equal or differ by one. OpenCV has
none of it: its ``INTER_AREA`` is a box instead of a triangle, its ``INTER_LINEAR`` aliases.

Letters: H, W size of the image, C channels.
"""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import cv2
import numpy as np
import torch
import torch.nn.functional as F
import torchvision.transforms as T
from PIL import Image
from torchvision.transforms import InterpolationMode
from torchvision.transforms import functional as TF

from mmselfsup.utils.errors import ArgumentError

from ..registry import PIPELINES
from .compose import bernoulli
from .encoded import Box, EncodedImage, Pixels, decoded
from .formatting import OnPixels, to_image

_MODES = {InterpolationMode.BILINEAR: "bilinear", InterpolationMode.BICUBIC: "bicubic"}
_FILTERS = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}
_TRIES = 10  # crops to draw before the largest central one is taken, as in torchvision
_INTERPOLATION_MODES = {
    "nearest": InterpolationMode.NEAREST,
    "bilinear": InterpolationMode.BILINEAR,
    "bicubic": InterpolationMode.BICUBIC,
    "box": InterpolationMode.BOX,
    "hamming": InterpolationMode.HAMMING,
    "lanczos": InterpolationMode.LANCZOS,
}


def resize_part(image: Pixels | EncodedImage, box: Box, size: tuple[int, int], mode: str) -> Pixels:
    """Return a part of an image resized as Pillow does.

    Args:
        image: [H, W] or [H, W, 3], or a file that is decoded as coarsely as the part allows.
        box: (top, left, height, width) of the part in pixels of the whole image.
        size: (height, width).
        mode: ``bilinear`` or ``bicubic``.
    """
    place: tuple[float, ...] = box
    if isinstance(image, EncodedImage):
        image, place = image.part(box, size)
    if all(float(side).is_integer() for side in place):
        y, x, height, width = map(int, place)
        return resize(image[y : y + height, x : x + width], size, mode)
    # Only Pillow resizes a part that begins between two pixels.
    top, left = place[:2]
    right, bottom = min(left + place[3], image.shape[1]), min(top + place[2], image.shape[0])
    resized = to_image(image).resize(size[::-1], _FILTERS[mode], (left, top, right, bottom))
    return np.array(resized)


def resize(pixels: Pixels, size: tuple[int, int], mode: str = "bilinear") -> Pixels:
    """Return an image resized as Pillow does.

    Args:
        pixels: [H, W] or [H, W, 3]; may be a part of a larger image.
        size: (height, width).
        mode: ``bilinear`` or ``bicubic``.
    """
    if pixels.shape[:2] == tuple(size):
        return pixels
    if not pixels.flags.writeable:  # torch would warn
        pixels = pixels.copy()
    # with the batch axis first, torch treats the image as channels-last and keeps it so, without
    # splitting it into planes
    image = torch.from_numpy(pixels if pixels.ndim == 3 else pixels[..., None])[None]
    image = F.interpolate(image.permute(0, 3, 1, 2), size, mode=mode, antialias=True)
    resized = np.ascontiguousarray(image[0].permute(1, 2, 0).numpy())  # [height, width, C]
    return resized if pixels.ndim == 3 else resized[..., 0]


@PIPELINES.register_module()
class RandomResizedCrop(OnPixels, T.RandomResizedCrop):  # type: ignore[misc]
    """As in torchvision: a crop of a random fraction of the area and aspect ratio, resized.

    Source: Inception (Szegedy et al. 2015), section 6; arguments as in torchvision.
    """

    takes_encoded = True

    def change(self, pixels: Pixels | EncodedImage) -> Pixels:
        if self.interpolation not in _MODES or self.antialias is False:
            return self.slow(decoded(pixels))
        return self.cut(pixels)[0]

    def cut(self, image: Pixels | EncodedImage) -> tuple[Pixels, tuple[int, int, int, int]]:
        """Return the resized crop, and its (top, left, height, width) in the image."""
        size = tuple(self.size)
        box = self.sample_params(*image.shape[:2])
        return resize_part(image, box, size, _MODES[self.interpolation]), box

    def sample_params(self, height: int, width: int) -> tuple[int, int, int, int]:
        """Return a sampled (top, left, height, width) of a crop of an image of this size."""
        log_ratio = _logarithms(tuple(self.ratio))  # the ratio is log-uniform
        # torchvision's algorithm, call by call, so that one seed gives the same crop
        for _ in range(_TRIES):
            area = height * width * torch.empty(1).uniform_(*self.scale).item()
            aspect = torch.empty(1).uniform_(*log_ratio).exp_().item()
            w, h = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
            if 0 < w <= width and 0 < h <= height:
                top = int(torch.randint(0, height - h + 1, (1,)).item())
                return top, int(torch.randint(0, width - w + 1, (1,)).item()), h, w
        return self._central(height, width)

    def _central(self, height: int, width: int) -> tuple[int, int, int, int]:
        """Return the largest central crop whose aspect ratio is allowed."""
        w, h = width, height
        if width / height < min(self.ratio):
            h = round(width / min(self.ratio))
        elif width / height > max(self.ratio):
            w = round(height * max(self.ratio))
        return (height - h) // 2, (width - w) // 2, h, w


@PIPELINES.register_module()
class Resize(OnPixels, T.Resize):  # type: ignore[misc]
    """As in torchvision: the shorter side to ``size``, or both sides to (height, width)."""

    takes_encoded = True

    def change(self, pixels: Pixels | EncodedImage) -> Pixels:
        rare = self.interpolation not in _MODES or self.antialias is False
        if rare or self.max_size is not None:
            return self.slow(decoded(pixels))
        size = self.output_size(*pixels.shape[:2])
        whole = (0, 0, *pixels.shape[:2])
        return resize_part(pixels, whole, size, _MODES[self.interpolation])

    def output_size(self, height: int, width: int) -> tuple[int, int]:
        """Return the (height, width) to which an image of this size is resized."""
        size = [self.size] if isinstance(self.size, int) else list(self.size)
        if len(size) == 2:
            return size[0], size[1]
        return shorter_side(height, width, size[0])


def shorter_side(height: int, width: int, size: int) -> tuple[int, int]:
    """Return (height, width) with the shorter side ``size``, the longer one rounded down."""
    if height <= width:
        return size, int(size * width / height)
    return int(size * height / width), size


@PIPELINES.register_module()
class CenterCrop(OnPixels, T.CenterCrop):  # type: ignore[misc]
    """As in torchvision: the middle of an image; one that is too small gets a black border."""

    def change(self, pixels: Pixels) -> Pixels:
        (height, width), (h, w) = pixels.shape[:2], self.size
        if h > height or w > width:
            return self.slow(pixels)
        top, left = round((height - h) / 2), round((width - w) / 2)
        return np.ascontiguousarray(pixels[top : top + h, left : left + w])


@PIPELINES.register_module()
class RandomHorizontalFlip(OnPixels, T.RandomHorizontalFlip):  # type: ignore[misc]
    """As in torchvision: a flip of left and right, with probability ``p``."""

    def change(self, pixels: Pixels) -> Pixels:
        return _array(cv2.flip(pixels, 1)) if bernoulli(self.p) else pixels


@PIPELINES.register_module()
class RandomVerticalFlip(OnPixels, T.RandomVerticalFlip):  # type: ignore[misc]
    """As in torchvision: a flip of top and bottom, with probability ``p``."""

    def change(self, pixels: Pixels) -> Pixels:
        return _array(cv2.flip(pixels, 0)) if bernoulli(self.p) else pixels


@PIPELINES.register_module()
class RandomRotation(OnPixels, T.RandomRotation):  # type: ignore[misc]
    """As in torchvision: a counter-clockwise rotation by an angle drawn from ``degrees``.

    Quarter turns of a square image only permute its pixels; any other rotation is Pillow's.
    """

    def change(self, pixels: Pixels) -> Pixels:
        angle = self.get_params(self.degrees)
        square = pixels.shape[0] == pixels.shape[1]
        if angle % 90 == 0 and square and self.center is None:
            return np.ascontiguousarray(np.rot90(pixels, int(angle // 90) % 4))
        fill = self.fill
        if isinstance(fill, int | float):
            fill = [float(fill)] * (3 if pixels.ndim == 3 else 1)
        options: dict[str, Any] = dict(expand=self.expand, center=self.center, fill=list(fill))
        return np.array(TF.rotate(to_image(pixels), angle, self.interpolation, **options))


@PIPELINES.register_module()
class RandomResizedCropAndInterpolationWithTwoPic:
    """A random crop that is resized once or twice.

    Source: BEiT (Bao et al. 2022), where the second image feeds the tokenizer.

    Args:
        size: Side of the first image, or (height, width).
        second_size: The same for the second image; None gives no second image.
        scale: Range of the crop's fraction of the area.
        ratio: Range of the crop's width over its height.
        interpolation: How the first image is resized: ``nearest``, ``bilinear``, ``bicubic``,
            ``box``, ``hamming``, ``lanczos``, or ``random``, which takes bilinear or bicubic.
        second_interpolation: The same for the second image.
    """

    def __init__(
        self,
        size: int | tuple[int, int],
        second_size: int | tuple[int, int] | None = None,
        scale: tuple[float, float] = (0.08, 1.0),
        ratio: tuple[float, float] = (3.0 / 4.0, 4.0 / 3.0),
        interpolation: str = "bilinear",
        second_interpolation: str = "lanczos",
    ) -> None:
        for mode in (interpolation, second_interpolation):
            if mode not in (*_INTERPOLATION_MODES, "random"):
                raise ArgumentError(
                    f"interpolation must be random or one of {[*_INTERPOLATION_MODES]}, got {mode}"
                )
        self.size = _size(size)
        self.second_size = None if second_size is None else _size(second_size)
        self.scale = list(scale)
        self.ratio = list(ratio)
        self.interpolation = interpolation
        self.second_interpolation = second_interpolation

    def __call__(self, img: Image.Image) -> Image.Image | tuple[Image.Image, Image.Image]:
        # one crop for both images: the tokenizer must see the part that the model sees
        crop = TF.crop(img, *T.RandomResizedCrop.get_params(img, self.scale, self.ratio))
        first = TF.resize(crop, self.size, self._mode(self.interpolation))
        if self.second_size is None:
            return first
        return first, TF.resize(crop, self.second_size, self._mode(self.second_interpolation))

    @staticmethod
    def _mode(name: str) -> InterpolationMode:
        """Return the mode of a name; a random one of two for ``random``."""
        if name == "random":
            name = "bilinear" if torch.rand(()).item() < 0.5 else "bicubic"
        return _INTERPOLATION_MODES[name]

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(size={self.size}, second_size={self.second_size}, "
            f"scale={self.scale}, ratio={self.ratio}, interpolation={self.interpolation}, "
            f"second_interpolation={self.second_interpolation})"
        )


@cache
def _logarithms(ratio: tuple[float, float]) -> list[float]:
    """Return the logarithms as torchvision computes them, in float32."""
    logarithms: list[float] = torch.log(torch.tensor(ratio)).tolist()
    return logarithms


def _array(pixels: Any) -> Pixels:
    """Return a result of OpenCV under its type."""
    return pixels  # type: ignore[no-any-return]


def _size(size: int | tuple[int, int]) -> list[int]:
    """Return a size as [height, width]."""
    return [size, size] if isinstance(size, int) else list(size)
