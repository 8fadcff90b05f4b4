"""The batched counterpart of a pipeline.

A worker samples the parameters of a view, and ``BatchedPipeline.apply`` makes the view of each
image of a batch on the device.

Letters: N images, P parameters of a view, H, W size of an image, S, T size of a view.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

from mmselfsup.utils.errors import ArgumentError

from ..pipelines.channel_order import exchange_channels
from ..pipelines.compose import RandomAppliedTrans
from ..pipelines.formatting import Normalize, ToTensor
from ..pipelines.geometric import (
    RandomHorizontalFlip,
    RandomResizedCrop,
    RandomRotation,
    RandomVerticalFlip,
)
from ..pipelines.masking import MaskGenerator
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
_ORDER = (
    "RandomResizedCrop, then colours, blur, flips and quarter turns, then ToTensor, Normalize, "
    "then a generator of masks"
)


class BatchedPipeline:
    """Samples the parameters of a view for one image, and makes the views of a whole batch.

    Args:
        pipeline: A chain of transforms.

    Raises:
        ArgumentError: Batched transforms exist, but not in this order or with these options.
    """

    def __init__(self, pipeline: Any) -> None:
        transforms = list(pipeline.transforms)
        self.channel_order: str = getattr(pipeline, "channel_order", "rgb")
        self.text = f"{pipeline!r} {self.channel_order}"
        masks = bool(transforms) and isinstance(transforms[-1], MaskGenerator)
        self.mask_generator: MaskGenerator | None = transforms.pop() if masks else None
        self.normalize = None
        if transforms and isinstance(transforms[-1], Normalize):
            self.normalize = transforms.pop()
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

    def draw_mask(self) -> Tensor | None:
        """Return the mask of one image, drawn after its parameters, as the pipeline draws it."""
        return None if self.mask_generator is None else self.mask_generator.draw()

    def apply(self, pixels: Tensor, sampled: Tensor) -> Tensor:
        """Return the view of each image of a batch.

        Args:
            pixels: [N, H, W, 3] uint8 or float32 in 0..255, on the device.
            sampled: The parameters, [N, P] float32, on the host.

        Returns:
            [N, 3, S, T] float32 on the device, as the pipeline would return them.
        """
        return self.finish_views(self.crop_views(pixels, sampled), sampled)

    def crop_views(self, pixels: Tensor, sampled: Tensor) -> Tensor:
        """Return the crop of each image, flipped and turned: the first part of ``apply``.

        Args:
            pixels: [N, H, W, 3] uint8 or float32 in 0..255, on the device.
            sampled: The parameters, [N, P] float32, on the host.

        Returns:
            [N, 3, S, T] float32, integer values in 0..255.
        """
        # Flips and turns only permute pixels, so they move into the resampling of the crop, and
        # the steps on pixel values follow in their own order.
        orientation = Orientation.upright(len(sampled))
        for transform, begin, end in self.steps:
            if isinstance(transform, Turn):
                orientation = transform.after(orientation, sampled[:, begin:end])
        crop = _on_device(sampled[:, : len(self.crop.identity_params)], pixels.device)
        return self.crop.apply(pixels.float(), crop, orientation)

    def finish_views(self, images: Tensor, sampled: Tensor) -> Tensor:
        """Return the views made of these crops: the second part of ``apply``.

        Args:
            images: The result of ``crop_views``, [N, 3, S, T]; it may be changed in place.
            sampled: The parameters, [N, P] float32, on the host.

        Returns:
            [N, 3, S, T] float32.
        """
        params = _on_device(sampled, images.device)
        is_bgr = self.channel_order == "bgr"  # the steps take RGB, as in ``Chain``
        images = exchange_channels(images) if is_bgr else images
        for transform, begin, end in self.steps:
            if isinstance(transform, BatchedPixelTransform):
                images = transform.apply(images, params.part(begin, end))
        return self._finish(exchange_channels(images) if is_bgr else images)

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
    rest = (t for t in every if type(t) not in known and not isinstance(t, MaskGenerator))
    foreign = dict.fromkeys(type(t).__name__ for t in rest)
    if foreign:
        names = ", ".join(sorted(cls.__name__ for cls in known))
        raise ArgumentError(
            f"device_transforms: no batched version of {', '.join(foreign)}; take "
            f"device_transforms out, or these transforms (known: {names}, RandomAppliedTrans, and "
            "generators of masks at the end)"
        )
    return [BatchedPipeline(pipeline) for pipeline in pipelines]


def _on_device(sampled: Tensor, device: torch.device) -> SampledParams:
    return SampledParams(sampled, sampled.to(device, non_blocking=True))


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
