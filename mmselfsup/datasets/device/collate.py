"""Images on their way to the device, with the parameters of the views to be made of them.

Letters: N samples, M different images of them, V views, P parameters of a view, H, W of an image.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from mmselfsup.utils.errors import ArgumentError

if TYPE_CHECKING:
    from ..pipelines.pixels import Pixels
    from .plan import BatchedPipeline


@dataclass
class Deferred:
    """One sample whose views are made later, on the device.

    Attributes:
        images: [H, W, 3] each, all different.
        sources: [V], which of them each view is made of.
        params: V tuples of P parameters.
    """

    images: list[Pixels]
    sources: list[int]
    params: list[tuple[float, ...]]


@dataclass
class DeferredBatch:
    """A batch whose views are made later, on the device.

    Attributes:
        pixels: [M, H, W, 3] uint8; smaller images are padded to the right and below, and no crop
            reaches into the padding.
        rows: V tensors [N], int64: which image each view is made of; None: image n for sample n.
        params: V tensors [N, P], float32.
    """

    pixels: Tensor
    rows: list[Tensor | None]
    params: list[Tensor]

    def pin_memory(self) -> DeferredBatch:
        """Return the batch with its pixels in page-locked memory.

        The loader calls this, so that the pixels can be copied while the device computes.
        """
        return DeferredBatch(self.pixels.pin_memory(), self.rows, self.params)


def defer(images: Sequence[Pixels | Any], pipelines: Sequence[BatchedPipeline]) -> Deferred:
    """Return a sample with the parameters of its views sampled and its pixels untouched.

    Args:
        images: V images as a data source returns them; the same object is sent only once.
        pipelines: V batched pipelines.

    Raises:
        ArgumentError: An image is not RGB.
    """
    different: list[Pixels] = []
    sources, params = [], []
    for image, pipeline in zip(images, pipelines, strict=True):
        if not isinstance(image, np.ndarray) or image.ndim != 3:
            mode = getattr(image, "mode", "L")
            raise ArgumentError(
                f"device_transforms works on RGB images, not on {mode}: set color_type='color' in "
                "the data source, or take device_transforms out"
            )
        position = next((i for i, other in enumerate(different) if other is image), len(different))
        if position == len(different):
            different.append(image)
        sources.append(position)
        params.append(pipeline.sample_params(*image.shape[:2]))
    return Deferred(different, sources, params)


def join(samples: Sequence[Deferred]) -> DeferredBatch:
    """Return N samples as one batch."""
    images = [image for sample in samples for image in sample.images]  # M
    height, width = (max(image.shape[axis] for image in images) for axis in (0, 1))
    pixels = torch.empty(len(images), height, width, 3, dtype=torch.uint8)
    for target, image in zip(pixels.numpy(), images, strict=True):
        target[: image.shape[0], : image.shape[1]] = image  # no crop reads the rest
    starts = np.cumsum([0, *(len(sample.images) for sample in samples[:-1])])  # [N]
    sources = np.array([sample.sources for sample in samples])  # [N, V]
    one_each = len(images) == len(samples)
    rows = [None if one_each else torch.from_numpy(starts + column) for column in sources.T]
    views = zip(*(sample.params for sample in samples), strict=True)
    return DeferredBatch(pixels, rows, [torch.tensor(view, dtype=torch.float32) for view in views])
