"""The batched twin of a whole pipeline: one view of each image.

Letters: N images, P numbers drawn for a view, H, W of an image, S, T of a view.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

from ...utils.errors import ArgumentError
from ..pipelines.blur import GaussianBlur
from ..pipelines.color import ColorJitter, RandomGrayscale
from ..pipelines.random_applied import RandomAppliedTrans
from ..pipelines.resizing import RandomResizedCrop
from ..pipelines.solarization import Solarization
from ..pipelines.to_tensor import Normalize, ToTensor
from ..pipelines.turning import RandomHorizontalFlip, RandomRotation, RandomVerticalFlip
from .blur import Blur
from .color import Grey, Jitter, Solarize
from .geometry import Crop, Flip, Orientation, QuarterTurn, Turn
from .group import Sometimes, leaves
from .twin import Drawn, PixelTwin, Twin

#: Transform -> its twin. `RandomResizedCrop` comes first, `ToTensor` and `Normalize` last.
TWINS: dict[type, Any] = {
    ColorJitter: Jitter,
    GaussianBlur: Blur,
    RandomGrayscale: Grey,
    RandomHorizontalFlip: Flip,
    RandomRotation: QuarterTurn,
    RandomVerticalFlip: Flip,
    Solarization: Solarize,
}
_ORDER = "RandomResizedCrop, then colours, blur, flips and quarter turns, then ToTensor, Normalize"


class ViewPlan:
    """Draws the numbers of a view for one image, and makes the view of all images of a batch.

    Args:
        pipeline: A chain of transforms.

    Raises:
        ArgumentError: The transforms have twins, but not in this order or with these options.
    """

    def __init__(self, pipeline: Any) -> None:
        transforms = list(pipeline.transforms)
        self.text = repr(pipeline)
        self.normalize = transforms.pop() if isinstance(transforms[-1], Normalize) else None
        ends = bool(transforms) and isinstance(transforms.pop(), ToTensor)
        if not ends or not transforms or type(transforms[0]) is not RandomResizedCrop:
            raise ArgumentError(f"device_transforms: the order is {_ORDER}, not {_names(pipeline)}")
        self.crop = Crop(transforms[0])
        self.twins: list[Twin] = [self.crop, *map(_twin, transforms[1:])]
        self.steps = list(leaves(self.twins))  # (twin, its first number, the first behind)
        turns = any(isinstance(twin, QuarterTurn) for twin, *_ in self.steps)
        if turns and len(set(self.crop.size)) > 1:
            raise ArgumentError(
                f"device_transforms: quarter turns need a square, not a crop of {self.crop.size}"
            )

    def draw(self, height: int, width: int) -> tuple[float, ...]:
        """Draw the numbers [P] for an image of this size, as the pipeline would."""
        return tuple(number for twin in self.twins for number in twin.draw(height, width))

    def apply(self, pixels: Tensor, numbers: Tensor) -> Tensor:
        """Make the view of a batch.

        Args:
            pixels: [N, H, W, 3] uint8 or float32 in 0..255, on the device.
            numbers: [N, P] float32, on the host.

        Returns:
            [N, 3, S, T] float32 on the device, as the pipeline's end leaves them.
        """
        drawn = Drawn(numbers, pixels.device)
        turned = Orientation.upright(len(numbers))
        for twin, begin, end in self.steps:
            if isinstance(twin, Turn):
                turned = twin.after(turned, numbers[:, begin:end])
        images = self.crop.apply(pixels.float(), drawn.part(0, len(self.crop.nothing)), turned)
        for twin, begin, end in self.steps:
            if isinstance(twin, PixelTwin):
                images = twin.apply(images, drawn.part(begin, end))
        return self._finish(images)

    def _finish(self, images: Tensor) -> Tensor:
        """`ToTensor` and `Normalize`, bit for bit."""
        images = images.div_(255)
        if self.normalize is None:
            return images
        moments = torch.tensor([self.normalize.mean, self.normalize.std])  # [2, 3]
        mean, std = moments.to(images.device, non_blocking=True)[:, :, None, None]
        return images.sub_(mean).div_(std)


def view_plans(pipelines: Sequence[Any]) -> list[ViewPlan]:
    """The twins of pipelines.

    Raises:
        ArgumentError: A transform has no twin, or not here.
    """
    known = (RandomResizedCrop, ToTensor, Normalize, *TWINS)
    every = [transform for pipeline in pipelines for transform in _flat(pipeline)]
    foreign = dict.fromkeys(type(t).__name__ for t in every if type(t) not in known)
    if foreign:
        names = ", ".join(sorted(cls.__name__ for cls in known))
        raise ArgumentError(
            f"device_transforms: no batched twin of {', '.join(foreign)}; take device_transforms "
            f"out, or these transforms (there are twins of {names}, RandomAppliedTrans)"
        )
    return [ViewPlan(pipeline) for pipeline in pipelines]


def _flat(pipeline: Any) -> Iterator[Any]:
    """All transforms, those inside of `RandomAppliedTrans` too."""
    for transform in pipeline.transforms:
        if isinstance(transform, RandomAppliedTrans):
            yield from _flat(transform.trans)
        else:
            yield transform


def _names(pipeline: Any) -> str:
    return ", ".join(type(transform).__name__ for transform in pipeline.transforms)


def _twin(transform: Any) -> Twin:
    if isinstance(transform, RandomAppliedTrans):
        return Sometimes([_twin(inner) for inner in transform.trans.transforms], transform.p)
    if type(transform) not in TWINS:
        name = type(transform).__name__
        raise ArgumentError(f"device_transforms: the order is {_ORDER}; {name} stands elsewhere")
    twin: Twin = TWINS[type(transform)](transform)
    return twin
