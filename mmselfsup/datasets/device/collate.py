"""Images on their way to the device, with the numbers of the views that are to be made of them.

Letters: N samples, M different images of them, V views, P numbers of a view, H, W of an image.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from ...utils.errors import ArgumentError

if TYPE_CHECKING:
    from ..pipelines.pixels import Pixels
    from .plan import ViewPlan


@dataclass
class Deferred:
    """One sample.

    Attributes:
        images: [H, W, 3] each, all different.
        sources: [V], which of them each view is made of.
        numbers: V tuples of P numbers.
    """

    images: list[Pixels]
    sources: list[int]
    numbers: list[tuple[float, ...]]


@dataclass
class DeferredBatch:
    """A batch.

    Attributes:
        pixels: [M, H, W, 3] uint8; smaller images stand in the upper left corner, and crops end
            where they end.
        rows: V tensors [N], int64: which image each view is made of; None: image n for sample n.
        numbers: V tensors [N, P], float32.
    """

    pixels: Tensor
    rows: list[Tensor | None]
    numbers: list[Tensor]

    def pin_memory(self) -> DeferredBatch:
        """Called by the loader, so that the pixels travel while the device works."""
        return DeferredBatch(self.pixels.pin_memory(), self.rows, self.numbers)


def defer(images: Sequence[Pixels | Any], plans: Sequence[ViewPlan]) -> Deferred:
    """Draw the numbers of the views, and leave the work for later.

    Args:
        images: V images as a data source gives them; equal objects travel once.
        plans: V.

    Raises:
        ArgumentError: An image is not RGB.
    """
    different: list[Pixels] = []
    sources, numbers = [], []
    for image, plan in zip(images, plans, strict=True):
        if not isinstance(image, np.ndarray) or image.ndim != 3:
            found = getattr(image, "mode", "L")
            raise ArgumentError(
                f"device_transforms works on RGB images, not on {found}: set color_type='color' in "
                "the data source, or take device_transforms out"
            )
        place = next((i for i, other in enumerate(different) if other is image), len(different))
        if place == len(different):
            different.append(image)
        sources.append(place)
        numbers.append(plan.draw(*image.shape[:2]))
    return Deferred(different, sources, numbers)


def join(samples: Sequence[Deferred]) -> DeferredBatch:
    """Make a batch of N samples."""
    images = [image for sample in samples for image in sample.images]  # M
    height, width = (max(image.shape[axis] for image in images) for axis in (0, 1))
    pixels = torch.empty(len(images), height, width, 3, dtype=torch.uint8)
    for target, image in zip(pixels.numpy(), images, strict=True):
        target[: image.shape[0], : image.shape[1]] = image  # the rest has no weight in any crop
    starts = np.cumsum([0, *(len(sample.images) for sample in samples[:-1])])  # [N]
    sources = np.array([sample.sources for sample in samples])  # [N, V]
    one_each = len(images) == len(samples)
    rows = [None if one_each else torch.from_numpy(starts + column) for column in sources.T]
    views = zip(*(sample.numbers for sample in samples), strict=True)
    return DeferredBatch(pixels, rows, [torch.tensor(view, dtype=torch.float32) for view in views])
