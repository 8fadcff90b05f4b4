"""Images whose channels are in the order BGR, and the steps that weigh red, green and blue.

The luma of a pixel is 0.299 R + 0.587 G + 0.114 B. A step that computes it, or adds something to
each colour, takes the first channel for red. With ``channel_order='bgr'`` in the data source such a
step gets the image as RGB, and its result is exchanged back: ``ToTensor`` and ``Normalize`` see
BGR, which the statistics and the weights of the network are made for.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from PIL import Image
from torch import Tensor
from torchvision import transforms

_RGB = "RGB"
#: torchvision's steps that have no counterpart in this folder; those here have ``weighs_colours``.
_OF_TORCHVISION = (
    transforms.AugMix,
    transforms.AutoAugment,
    transforms.Grayscale,
    transforms.RandAugment,
    transforms.TrivialAugmentWide,
)


def order_of(data_source: Any) -> str:
    """Return the order of the channels in a data source's images, ``rgb`` or ``bgr``."""
    return str(getattr(getattr(data_source, "reader", None), "channel_order", "rgb"))


def exchange_channels(img: Any) -> Any:
    """Return an image of three channels with the first and the last one exchanged.

    Args:
        img: An array [H, W, 3], a PIL image, a tensor [..., 3, H, W]; anything else (a grey image)
            is returned as it is.
    """
    if isinstance(img, np.ndarray) and img.shape[2:] == (3,):
        return np.ascontiguousarray(img[..., ::-1])
    if isinstance(img, Image.Image) and img.mode == _RGB:
        return Image.merge(_RGB, img.split()[::-1])
    if isinstance(img, Tensor) and img.ndim >= 3 and img.shape[-3] == 3:
        return img.flip(-3)
    return img


def weighs_colours(step: Any) -> bool:
    """Return whether the result of a step, or of one inside of it, depends on the order."""
    own = bool(getattr(step, "weighs_colours", False)) or isinstance(step, _OF_TORCHVISION)
    return own or any(weighs_colours(part) for part in inner_steps(step))


def inner_steps(step: Any) -> Iterator[Any]:
    """Yield the steps of a group, such as ``RandomAppliedTrans``; none for a single step."""
    group = getattr(getattr(step, "trans", step), "transforms", ())
    yield from group if isinstance(group, list | tuple) else ()
