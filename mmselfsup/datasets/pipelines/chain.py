"""Transforms one after the other, with as few changes of format as they need."""

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
    """torchvision's `Compose` for arrays.

    An array [H, W, 3] or [H, W] goes as it is to the transforms that take one, and as a PIL image
    to the others. What comes in as a PIL image is passed on as in `Compose`. `Normalize` right
    behind `ToTensor` is done in one pass with it.
    """

    takes_pixels = True

    def __call__(self, img: Any) -> Any:
        arrays = isinstance(img, np.ndarray)
        transforms, at = self.transforms, 0
        while at < len(transforms):
            both = _normalised(transforms[at : at + 2], img)
            if both is not None:
                img, at = both, at + 2
            else:
                img, at = _apply(transforms[at], img, arrays), at + 1
        return img


def _normalised(transforms: Sequence[Any], img: Any) -> Tensor | None:
    """The work of `ToTensor` and `Normalize` in one pass; None where they are not next."""
    if len(transforms) < 2 or not isinstance(transforms[0], ToTensor):
        return None
    normalize = transforms[1]
    return normalize.from_image(img) if isinstance(normalize, Normalize) else None


def _apply(transform: Any, img: Any, arrays: bool) -> Any:
    """Give a transform the format that it takes; `arrays`: whether arrays may be made."""
    if isinstance(img, np.ndarray) and not takes_pixels(transform):
        img = to_image(img)
    elif arrays and isinstance(img, Image.Image) and takes_pixels(transform):
        pixels = to_pixels(img)
        img = img if pixels is None else pixels
    return transform(img)
