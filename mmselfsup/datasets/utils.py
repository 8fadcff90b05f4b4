"""Helpers of the data side: arrays, names, downloads, and normalisation on the device.

Letters: N images, H, W size of an image, C channels.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from PIL.Image import Image
from torch import Tensor
from torch.hub import download_url_to_file
from torchvision.datasets.utils import (
    calculate_md5,
    check_integrity,
    check_md5,
    download_and_extract_archive,
    download_url,
    extract_archive,
)
from torchvision.transforms import Normalize

from mmselfsup.utils.device import to_device
from mmselfsup.utils.errors import ArgumentError

from .batched.loader import DeviceLoader
from .pipelines.formatting import colours, equally_many

__all__ = [
    "PrefetchLoader",
    "calculate_md5",
    "check_integrity",
    "check_md5",
    "download_and_extract_archive",
    "download_url",
    "download_url_to_file",
    "extract_archive",
    "rm_suffix",
    "to_numpy",
]


# Where data sets and pipelines keep what is inside them.
_INSIDE = ("dataset", "datasets", "pipeline", "pipelines", "trans", "transforms")


def to_numpy(pil_img: Image | NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return a PIL image or an array [H, W] or [H, W, C] as an array [C, H, W], uint8.

    A grey image has C = 1. The array is a copy.
    """
    pixels = np.array(colours(pil_img), dtype=np.uint8)  # [H, W] or [H, W, C]
    # splitting and stacking is faster than a transposed copy
    return pixels[None] if pixels.ndim < 3 else np.stack(cv2.split(pixels))


def rm_suffix(s: str, suffix: str | None = None) -> str:
    """Return ``s`` without ``suffix`` at its end; by default without the last dot and the rest."""
    return s.removesuffix(suffix) if suffix is not None else s.rpartition(".")[0] or s


class PrefetchLoader(DeviceLoader):
    """A loader of uint8 images that normalises them on the device of the model.

    This copies a quarter of the bytes, and leaves the arithmetic to the device.

    Args:
        loader: Yields dicts with ``img``, a uint8 tensor [N, 3, H, W] or a list of such.
            Further dimensions may lie between N and 3, and several images may be stacked in the
            channels.
        mean, std: Those of each channel, or one number for all, in 0..1.
        device: See ``DeviceLoader``.

    Raises:
        ArgumentError: The numbers of means and deviations don't fit. Or, while it is read: an image
            is no uint8 tensor, or has other channels.
    """

    def __init__(
        self,
        loader: Any,
        mean: float | Sequence[float],
        std: float | Sequence[float],
        device: torch.device | None = None,
    ) -> None:
        super().__init__(loader, device)
        mean, std = equally_many(mean, std)
        self._mean = torch.tensor([255.0 * m for m in mean]).view(1, -1, 1, 1)  # [1, 3, 1, 1]
        self._std = torch.tensor([255.0 * s for s in std]).view(1, -1, 1, 1)

    def finish(self, batch: dict[str, Any], device: torch.device) -> dict[str, Any]:
        mean, std = (v.to(device, non_blocking=True) for v in (self._mean, self._std))

        def normalise(img: Tensor) -> Tensor:
            if img.dtype != torch.uint8:
                raise ArgumentError(
                    f"prefetch=True normalises bytes, and the data set gives {img.dtype}: set "
                    "prefetch=True in the data set (such as data.train.prefetch) and take ToTensor "
                    "and Normalize out of its pipelines, or set prefetch=False"
                )
            if img.shape[-3] % mean.shape[1]:
                raise ArgumentError(
                    f"img_norm_cfg is for {mean.shape[1]} channels, the images have "
                    f"{img.shape[-3]}: give that many numbers, or set color_type='color' in the "
                    "data source"
                )
            images = img.float().unflatten(-3, (-1, mean.shape[1]))  # [N, ..., 1, 3, H, W]
            return images.sub_(mean).div_(std).flatten(-4, -3)

        on_device: dict[str, Any] = to_device(batch, device)
        img = on_device["img"]
        views = isinstance(img, (list, tuple))
        on_device["img"] = [normalise(view) for view in img] if views else normalise(img)
        return on_device


def find_normalize(thing: Any, depth: int = 8) -> Normalize | None:
    """Return the first ``Normalize`` in a data set's pipelines, or None."""
    if isinstance(thing, Normalize) or depth == 0:
        return thing if isinstance(thing, Normalize) else None
    parts: list[Any] = list(thing) if isinstance(thing, list | tuple) else []
    # Wrappers pass attributes on to their inner part, so a part may be visited twice; the limit on
    # the depth guarantees an end.
    parts += [getattr(thing, name) for name in _INSIDE if hasattr(thing, name)]
    candidates = (find_normalize(part, depth - 1) for part in parts)
    return next((normalize for normalize in candidates if normalize is not None), None)
