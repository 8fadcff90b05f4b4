"""A chain of transforms that converts between arrays and PIL images only where needed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image
from torch import Tensor
from torchvision.transforms import Compose

from .pixels import takes_pixels, to_image, to_pixels
from .to_tensor import Normalize, ToTensor


class Chain(Compose):  # type: ignore[misc]
    """torchvision's ``Compose`` for arrays.

    Transforms that accept arrays [H, W, 3] or [H, W] receive them, the others a PIL image. An input
    that is a PIL image is passed on as in ``Compose``. ``ToTensor`` followed by ``Normalize`` is
    done in one pass.
    """

    takes_pixels = True

    def __call__(self, img: Any) -> Any:
        arrays = isinstance(img, np.ndarray)  # a PIL image is never turned into an array
        transforms, position = self.transforms, 0
        while position < len(transforms):
            normalised = _normalised(transforms[position : position + 2], img)
            if normalised is not None:
                img, position = normalised, position + 2
            else:
                img, position = _apply(transforms[position], img, arrays), position + 1
        return img


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
    return transform(img)
