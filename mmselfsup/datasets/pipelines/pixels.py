"""8-bit images as arrays, and what makes a transform take them beside PIL images.

Inside our pipelines an image is a uint8 array, [H, W, 3] in the order RGB or [H, W]: no transform
turns it into another format and back. Called on its own, a transform gives a PIL image for a PIL
image, as before. Arrays may be shared between views or lie in a file: never write into them.
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
    """Copy an array into a PIL image."""
    return Image.fromarray(np.ascontiguousarray(pixels))


def to_pixels(image: Image.Image) -> Pixels | None:
    """Copy a PIL image into an array; None where its mode is neither RGB nor L."""
    return np.array(image, dtype=np.uint8) if image.mode in _MODES else None


def takes_pixels(transform: Any) -> bool:
    """Whether a transform works on arrays; one of another library wants PIL images."""
    return bool(getattr(transform, "takes_pixels", False))


def on_pixels(function: Callable[[Pixels], Any], img: Any) -> Any:
    """Apply a function of arrays to an array, or to a PIL image of any mode."""
    if isinstance(img, np.ndarray):
        return function(img)
    return Image.fromarray(function(np.array(img)))


class OnPixels:
    """Stands before a transform of torchvision in the bases of a class, and makes it fast.

    The subclass writes `change`, which draws the same random numbers in the same order as
    torchvision does, so that one seed means one choice in both. Tensors, and images in other modes
    than RGB and L, are left to torchvision.
    """

    takes_pixels = True

    def change(self, pixels: Pixels) -> Pixels:
        """Transform an array; the same array back means that nothing happened."""
        raise NotImplementedError

    def slow(self, pixels: Pixels) -> Pixels:
        """What torchvision makes of the image; for options that are too rare for a fast way."""
        parent: Any = super()
        return np.array(parent.forward(to_image(pixels)))

    def forward(self, img: Any) -> Any:
        """Transform an array, a PIL image or a tensor; the same kind comes back."""
        if isinstance(img, np.ndarray):
            return self.change(img)
        pixels = to_pixels(img) if isinstance(img, Image.Image) else None
        if pixels is None:
            parent: Any = super()
            return parent.forward(img)
        changed = self.change(pixels)
        return img if changed is pixels else to_image(changed)
