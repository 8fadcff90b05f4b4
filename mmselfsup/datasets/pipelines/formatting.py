"""The formats of an image in a pipeline: an array of bytes, a PIL image, a normalised tensor.

Inside a pipeline an image is a uint8 array, [H, W, 3] in the order RGB or [H, W]: no transform
converts it to another format and back. Outside a pipeline, a transform returns a PIL image for a
PIL image, as in MMSelfSup 0.x; ``OnPixels`` is the base class of such transforms. Arrays may be
shared between views or map a file: never write into them.

Letters: C channels, H, W size of the image.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import cv2
import numpy as np
import torch
import torchvision.transforms as T
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torchvision.transforms import functional as F

from mmselfsup.utils.errors import ArgumentError, UserError

from ..registry import PIPELINES
from .encoded import EncodedImage, Pixels

# An 8-bit image has 256 values: the results are computed once, with torch's own arithmetic, and
# looked up, which is faster than computing each pixel and gives the same bits.
_UNIT = torch.arange(256, dtype=torch.uint8).float().div(255)  # [256]
_MODES = ("RGB", "L")
_WITH_ALPHA = ("RGBA", "LA")
_PALETTE = ("P", "PA")
_LEAST_STD = 0.5 / 255


def num_channels(img: Any) -> int | None:
    """Return the channels of an image in any format of a pipeline, None for anything else."""
    if isinstance(img, Image.Image):
        return len(img.getbands())
    if isinstance(img, Tensor) and img.ndim >= 3:
        return int(img.shape[-3])
    return _channels(img) if isinstance(img, np.ndarray) and img.ndim in (2, 3) else None


def takes_encoded(transform: Any) -> bool:
    """Return whether a transform accepts an ``EncodedImage`` and has it decoded as it needs."""
    return bool(getattr(transform, "takes_encoded", False))


def takes_pixels(transform: Any) -> bool:
    """Return whether a transform accepts arrays; those of other libraries need PIL images."""
    return bool(getattr(transform, "takes_pixels", False))


@PIPELINES.register_module()
class ToTensor:
    """A transform of an image into a float tensor [C, H, W] in 0..1, of several into a list.

    Raises:
        UserError: A PIL image has numbers of a palette.
    """

    takes_pixels = True

    def __call__(self, imgs: Any) -> Any:
        if isinstance(imgs, (list, tuple)):
            return [F.to_tensor(colours(img)) for img in imgs]
        if isinstance(imgs, np.ndarray) and imgs.dtype == np.uint8:
            return by_table(imgs, _UNIT.expand(_channels(imgs), 256).numpy())
        return F.to_tensor(colours(imgs))

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


@PIPELINES.register_module()
class Normalize(T.Normalize):  # type: ignore[misc]
    """As in torchvision: ``(x - mean) / std`` for each channel of a tensor [C, H, W].

    After ``ToTensor`` in a pipeline, both are one pass over the image (``from_image``).

    Args:
        mean, std: Those of each channel, or one number for all.
        inplace: Whether to change the tensor itself.

    Raises:
        ArgumentError: There are several means and another number of deviations.
    """

    def __init__(
        self,
        mean: float | Sequence[float],
        std: float | Sequence[float],
        inplace: bool = False,
    ) -> None:
        super().__init__(*equally_many(mean, std), inplace)

    def from_image(self, img: Any) -> Tensor | None:
        """Return the result of ``ToTensor`` and this transform, bit for bit.

        Returns:
            [C, H, W] float32, or None for an image that needs the two of them.
        """
        pixels = to_pixels(img) if isinstance(img, Image.Image) else img
        if not isinstance(pixels, np.ndarray):
            return None
        tables = normalized_values(tuple(self.mean), tuple(self.std))
        if len(tables) != _channels(pixels) or pixels.dtype != np.uint8:
            return None
        return by_table(pixels, tables)


def equally_many(
    mean: float | Sequence[float], std: float | Sequence[float]
) -> tuple[Sequence[float], Sequence[float]]:
    """Return mean and deviation of each channel, as many of one as of the other.

    Args:
        mean, std: Those of each channel, or one number for all.

    Raises:
        ArgumentError: Their numbers differ, and neither is one.
    """
    means, stds = ([v] if isinstance(v, int | float) else v for v in (mean, std))
    if len(means) == len(stds):
        return means, stds
    if 1 not in (len(means), len(stds)):
        raise ArgumentError(
            f"mean={mean} and std={std} are for {len(means)} and {len(stds)} channels: give "
            "equally many, or one number for all"
        )
    channels = max(len(means), len(stds))
    return [*means] * (channels // len(means)), [*stds] * (channels // len(stds))


def check_statistics(mean: float | Sequence[float], std: float | Sequence[float]) -> None:
    """Check that mean and standard deviation are those of values in 0..1.

    Args:
        mean, std: Those of each channel, or one number for all.

    Raises:
        ArgumentError: They are no finite numbers. They are above 1: statistics of bytes make every
            image nearly constant. A mean is below 0, which values in 0..1 don't have. Or a
            deviation is not above 0, and every value would be infinite,
            or below half a grey level, which no images have.
    """
    for name, value in (("mean", mean), ("std", std)):
        try:
            finite = bool(np.isfinite(np.asarray(value, dtype=np.float64)).all())
        except (TypeError, ValueError):
            finite = False
        if not finite:
            raise ArgumentError(
                f"{name}={value!r}: give a finite number, or one for each channel, for values in "
                "0..1"
            )
    if max(np.max(mean, initial=0), np.max(std, initial=0)) > 1:
        raise ArgumentError(
            f"mean={mean}, std={std} are statistics of values in 0..255, but ToTensor "
            "gives 0..1: divide them by 255"
        )
    if np.min(mean, initial=0) < 0:
        raise ArgumentError(f"mean={mean}: values in 0..1 have none below 0; is a sign wrong?")
    if not np.all(np.asarray(std) > 0):
        raise ArgumentError(f"std={std}: a standard deviation must be above 0")
    if np.min(std, initial=1) < _LEAST_STD:
        raise ArgumentError(
            f"std={std} is less than half a grey level (values are in 0..1 here): it may have been "
            "divided by 255 twice; compute_mean_std.py measures it"
        )


@cache
def normalized_values(mean: tuple[float, ...], std: tuple[float, ...]) -> NDArray[np.float32]:
    """Return the result for each of the 256 values in each channel, [C, 256]."""
    shift, scale = (torch.tensor(v, dtype=torch.float32)[:, None] for v in (mean, std))
    return _UNIT.sub(shift).div_(scale).numpy()


def by_table(pixels: Pixels, tables: NDArray[np.float32]) -> Tensor:
    """Return an image with each value replaced by the entry of its channel's table.

    Args:
        pixels: [H, W] or [H, W, C].
        tables: [C, 256].

    Returns:
        [C, H, W] float32.
    """
    out = np.empty((len(tables), *pixels.shape[:2]), np.float32)
    planes = [pixels] if pixels.ndim == 2 else cv2.split(pixels)
    for plane, table, target in zip(planes, tables, out, strict=True):
        cv2.LUT(plane, table, dst=target)
    return torch.from_numpy(out)


def to_image(pixels: Pixels) -> Image.Image:
    """Return a copy of an array as a PIL image."""
    return Image.fromarray(np.ascontiguousarray(pixels))


def to_pixels(image: Image.Image) -> Pixels | None:
    """Return a copy of a PIL image as an array; None where its mode is neither RGB nor L."""
    return np.array(image, dtype=np.uint8) if image.mode in _MODES else None


def colours(img: Any) -> Any:
    """Return an image of any format whose values are colours or grey levels.

    Raises:
        UserError: It is a PIL image with the numbers of a palette.
    """
    if isinstance(img, Image.Image) and img.mode in _PALETTE:
        raise _unfit_mode(img, "its values are numbers of a palette, no grey levels")
    return img


def on_pixels(function: Callable[[Pixels], Any], img: Any) -> Any:
    """Return a function of arrays applied to an array, or to a PIL image of 8 bits.

    Args:
        function: From [H, W] or [H, W, C] to the same.
        img: An array, or a PIL image, RGB or grey, whose transparency may be a further channel.

    Raises:
        UserError: It is a PIL image of another mode.
    """
    if isinstance(img, np.ndarray):
        return function(img)
    if img.mode not in (*_MODES, *_WITH_ALPHA):
        raise _unfit_mode(img, "RGB or grey with 8 bits is needed")
    return Image.fromarray(function(np.array(img)))


def _unfit_mode(img: Image.Image, reason: str) -> UserError:
    """Return the error for a PIL image of a mode that a transform can't take."""
    return UserError(
        f"an image has the mode {img.mode}: {reason}; set color_type='color' in the data source, "
        "or convert it to RGB"
    )


class OnPixels:
    """A mixin that replaces the work of a torchvision transform by faster code for arrays.

    It comes before the torchvision class in the bases. The subclass defines ``change``, which draws
    the same random numbers in the same order as torchvision, so that one seed gives the same
    choices in both. Tensors, and images in other modes than RGB and L, are left to torchvision.
    """

    takes_pixels = True

    def change(self, pixels: Pixels) -> Pixels:
        """Return the transformed array, or the same object where nothing changes."""
        raise NotImplementedError

    def slow(self, pixels: Pixels) -> Pixels:
        """Return torchvision's result for the image; for options too rare for a faster version."""
        parent: Any = super()
        return np.array(parent.forward(to_image(pixels)))

    def forward(self, img: Any) -> Any:
        """Return an array, a PIL image or a tensor transformed, in the same format."""
        if isinstance(img, np.ndarray) or (isinstance(img, EncodedImage) and takes_encoded(self)):
            changeable: Any = img
            return self.change(changeable)
        pixels = to_pixels(img) if isinstance(img, Image.Image) else None
        if pixels is None:  # a tensor, or a mode that ``change`` does not know
            parent: Any = super()
            return parent.forward(img)
        changed = self.change(pixels)
        return img if changed is pixels else to_image(changed)  # spares a copy back


def _channels(pixels: Pixels) -> int:
    return 1 if pixels.ndim == 2 else pixels.shape[2]
