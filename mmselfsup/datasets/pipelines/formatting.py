"""The conversion of images to tensors, and the normalisation. Letters: C channels, H, W."""

from __future__ import annotations

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

from ..builder import PIPELINES
from .pixels import Pixels, to_pixels

# An 8-bit image has 256 values: the results are computed once, with torch's own arithmetic, and
# looked up, which is faster than computing each pixel and gives the same bits.
_UNIT = torch.arange(256, dtype=torch.uint8).float().div(255)  # [256]


@PIPELINES.register_module()
class ToTensor:
    """A transform of an image into a float tensor [C, H, W] in 0..1, of several into a list."""

    takes_pixels = True

    def __call__(self, imgs: Any) -> Any:
        if isinstance(imgs, (list, tuple)):
            return [F.to_tensor(img) for img in imgs]
        if isinstance(imgs, np.ndarray) and imgs.dtype == np.uint8:
            return by_table(imgs, _UNIT.expand(_channels(imgs), 256).numpy())
        return F.to_tensor(imgs)

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


@PIPELINES.register_module()
class Normalize(T.Normalize):  # type: ignore[misc]
    """As in torchvision: ``(x - mean) / std`` for each channel of a tensor [C, H, W].

    After ``ToTensor`` in a pipeline, both are one pass over the image (``from_image``).
    """

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


def _channels(pixels: Pixels) -> int:
    return 1 if pixels.ndim == 2 else pixels.shape[2]
