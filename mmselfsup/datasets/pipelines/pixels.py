"""8-bit images as arrays, and the base class of transforms that accept them like PIL images.

Inside a pipeline an image is a uint8 array, [H, W, 3] in the order RGB or [H, W]: no transform
converts it to another format and back. Outside a pipeline, a transform returns a PIL image for a
PIL image, as in MMSelfSup 0.x. Arrays may be shared between views or map a file: never write into
them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Pixels: TypeAlias = NDArray[np.uint8]

_MODES = ("RGB", "L")


def to_image(pixels: Pixels) -> Image.Image:
    """Return a copy of an array as a PIL image."""
    return Image.fromarray(np.ascontiguousarray(pixels))


def to_pixels(image: Image.Image) -> Pixels | None:
    """Return a copy of a PIL image as an array; None where its mode is neither RGB nor L."""
    return np.array(image, dtype=np.uint8) if image.mode in _MODES else None


def takes_pixels(transform: Any) -> bool:
    """Return whether a transform accepts arrays; those of other libraries need PIL images."""
    return bool(getattr(transform, "takes_pixels", False))


def on_pixels(function: Callable[[Pixels], Any], img: Any) -> Any:
    """Return a function of arrays applied to an array, or to a PIL image of any mode."""
    if isinstance(img, np.ndarray):
        return function(img)
    return Image.fromarray(function(np.array(img)))


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
        if isinstance(img, np.ndarray):
            return self.change(img)
        pixels = to_pixels(img) if isinstance(img, Image.Image) else None
        if pixels is None:  # a tensor, or a mode that ``change`` does not know
            parent: Any = super()
            return parent.forward(img)
        changed = self.change(pixels)
        return img if changed is pixels else to_image(changed)  # spares a copy back
