"""The batched counterpart of a pipeline, and the batches that it makes the views of.

A worker samples the parameters of a view (``defer``), the loader joins samples to a batch
(``join``), and ``BatchedPipeline.apply`` makes the views on the device.

Letters: N samples, M different images of them, V views of a sample, P parameters of a view, H, W
size of an image, S, T size of a view.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from mmselfsup.utils.errors import ArgumentError

from ..pipelines.compose import RandomAppliedTrans
from ..pipelines.formatting import Normalize, ToTensor
from ..pipelines.geometric import (
    RandomHorizontalFlip,
    RandomResizedCrop,
    RandomRotation,
    RandomVerticalFlip,
)
from ..pipelines.photometric import ColorJitter, GaussianBlur, RandomGrayscale, Solarization
from .base import (
    BatchedPixelTransform,
    BatchedRandomApply,
    BatchedTransform,
    SampledParams,
    flatten_transforms,
)
from .geometric import Crop, Flip, Orientation, QuarterTurn, Turn
from .photometric import Blur, Grey, Jitter, Solarize

if TYPE_CHECKING:
    from ..pipelines.formatting import Pixels


#: Transform -> batched transform, for those between ``RandomResizedCrop``, which comes first, and
#: ``ToTensor`` and ``Normalize``, which come last.
BATCHED_TRANSFORMS: dict[type, Any] = {
    ColorJitter: Jitter,
    GaussianBlur: Blur,
    RandomGrayscale: Grey,
    RandomHorizontalFlip: Flip,
    RandomRotation: QuarterTurn,
    RandomVerticalFlip: Flip,
    Solarization: Solarize,
}
_ORDER = "RandomResizedCrop, then colours, blur, flips and quarter turns, then ToTensor, Normalize"


class BatchedPipeline:
    """Samples the parameters of a view for one image, and makes the views of a whole batch.

    Args:
        pipeline: A chain of transforms.

    Raises:
        ArgumentError: Batched transforms exist, but not in this order or with these options.
    """

    def __init__(self, pipeline: Any) -> None:
        transforms = list(pipeline.transforms)
        self.text = repr(pipeline)
        self.normalize = transforms.pop() if isinstance(transforms[-1], Normalize) else None
        ends = bool(transforms) and isinstance(transforms.pop(), ToTensor)
        if not ends or not transforms or type(transforms[0]) is not RandomResizedCrop:
            raise ArgumentError(f"device_transforms: the order is {_ORDER}, not {_names(pipeline)}")
        self.crop = Crop(transforms[0])
        others = [_batched_transform(transform) for transform in transforms[1:]]
        self.transforms: list[BatchedTransform] = [self.crop, *others]
        self.steps = list(flatten_transforms(self.transforms))  # (transform, columns from, to)
        turns = any(isinstance(transform, QuarterTurn) for transform, *_ in self.steps)
        if turns and len(set(self.crop.size)) > 1:
            raise ArgumentError(
                f"device_transforms: quarter turns need a square, not a crop of {self.crop.size}"
            )

    def sample_params(self, height: int, width: int) -> tuple[float, ...]:
        """Return sampled parameters [P] for an image of this size, as the pipeline samples them."""
        return tuple(v for step in self.transforms for v in step.sample_params(height, width))

    def apply(self, pixels: Tensor, sampled: Tensor) -> Tensor:
        """Return the view of each image of a batch.

        Args:
            pixels: [N, H, W, 3] uint8 or float32 in 0..255, on the device.
            sampled: The parameters, [N, P] float32, on the host.

        Returns:
            [N, 3, S, T] float32 on the device, as the pipeline would return them.
        """
        params = SampledParams(sampled, sampled.to(pixels.device, non_blocking=True))
        # Flips and turns only permute pixels, so they move into the resampling of the crop, and
        # the steps on pixel values follow in their own order.
        orientation = Orientation.upright(len(sampled))
        for transform, begin, end in self.steps:
            if isinstance(transform, Turn):
                orientation = transform.after(orientation, sampled[:, begin:end])
        crop_params = params.part(0, len(self.crop.identity_params))
        images = self.crop.apply(pixels.float(), crop_params, orientation)
        for transform, begin, end in self.steps:
            if isinstance(transform, BatchedPixelTransform):
                images = transform.apply(images, params.part(begin, end))
        return self._finish(images)

    def _finish(self, images: Tensor) -> Tensor:
        """Return the result of ``ToTensor`` and ``Normalize``, bit for bit."""
        images = images.div_(255)
        if self.normalize is None:
            return images
        moments = torch.tensor([self.normalize.mean, self.normalize.std])  # [2, 3]
        mean, std = moments.to(images.device, non_blocking=True)[:, :, None, None]
        return images.sub_(mean).div_(std)


def build_batched_pipelines(pipelines: Sequence[Any]) -> list[BatchedPipeline]:
    """Return the batched counterpart of each pipeline.

    Raises:
        ArgumentError: A transform has no batched counterpart, or not in its place.
    """
    # All foreign transforms are named at once, before the order of any pipeline is checked.
    known = (RandomResizedCrop, ToTensor, Normalize, *BATCHED_TRANSFORMS)
    every = [transform for pipeline in pipelines for transform in _flat(pipeline)]
    foreign = dict.fromkeys(type(t).__name__ for t in every if type(t) not in known)
    if foreign:
        names = ", ".join(sorted(cls.__name__ for cls in known))
        raise ArgumentError(
            f"device_transforms: no batched version of {', '.join(foreign)}; take "
            f"device_transforms out, or these transforms (known: {names}, RandomAppliedTrans)"
        )
    return [BatchedPipeline(pipeline) for pipeline in pipelines]


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


def _flat(pipeline: Any) -> Iterator[Any]:
    """Yield all transforms, those inside ``RandomAppliedTrans`` too."""
    for transform in pipeline.transforms:
        if isinstance(transform, RandomAppliedTrans):
            yield from _flat(transform.trans)
        else:
            yield transform


def _names(pipeline: Any) -> str:
    return ", ".join(type(transform).__name__ for transform in pipeline.transforms)


def _batched_transform(transform: Any) -> BatchedTransform:
    if isinstance(transform, RandomAppliedTrans):
        inner = [_batched_transform(one) for one in transform.trans.transforms]
        return BatchedRandomApply(inner, transform.p)
    if type(transform) not in BATCHED_TRANSFORMS:
        name = type(transform).__name__
        raise ArgumentError(f"device_transforms: the order is {_ORDER}; {name} is out of order")
    batched: BatchedTransform = BATCHED_TRANSFORMS[type(transform)](transform)
    return batched
