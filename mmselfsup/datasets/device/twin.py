"""What the batched twin of a transform is, and the numbers that it works by.

Letters: N images, P numbers drawn for an image, H, W of an image.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable

import torch
from torch import Tensor


class Twin(ABC):
    """The batched twin of one transform.

    Attributes:
        nothing: [P], the numbers that leave an image as it is; P is their number.
    """

    nothing: tuple[float, ...]

    @abstractmethod
    def draw(self, height: int, width: int) -> tuple[float, ...]:
        """Draw the numbers [P] for one image of this size, as the transform itself would.

        The calls of torch's generator are those of the transform, in its order.
        """


class PixelTwin(Twin):
    """A twin that changes the values of images and not their shape."""

    @abstractmethod
    def apply(self, images: Tensor, drawn: Drawn) -> Tensor:
        """Change a batch.

        Args:
            images: [N, 3, H, W] float32, whole numbers in 0..255; may be written into.
            drawn: [N, P].

        Returns:
            [N, 3, H, W], whole numbers in 0..255: each step ends in 8 bits, as on the other way.
        """


class Drawn:
    """Numbers [N, P] of a batch, on the host, where they are known, and on the device.

    Whatever depends on their values (which images to take) is decided on the host, so that nothing
    ever waits for the device.
    """

    def __init__(self, host: Tensor, device: torch.device, there: Tensor | None = None) -> None:
        self.host = host
        self.there = host.to(device, non_blocking=True) if there is None else there

    def part(self, begin: int, end: int) -> Drawn:
        """The columns `begin` to `end`."""
        return Drawn(self.host[:, begin:end], self.there.device, self.there[:, begin:end])

    def column(self, i: int) -> Tensor:
        """One number of each image, [N, 1, 1, 1] on the device."""
        return self.there[:, i, None, None, None]


def on_rows(
    images: Tensor, chosen: Tensor, function: Callable[[Tensor, Callable[[Tensor], Tensor]], Tensor]
) -> Tensor:
    """Change some images of a batch, in place.

    Args:
        images: [N, ...].
        chosen: [N] bool on the host: which ones.
        function: gets these images, and how to take their rows out of any other tensor [N, ...] of
            the device; gives them back changed, in their shape.
    """
    if bool(chosen.all()):
        return function(images, _same)
    if not bool(chosen.any()):
        return images
    rows = chosen.nonzero()[:, 0].to(images.device, non_blocking=True)
    taken = function(images.index_select(0, rows), lambda other: other.index_select(0, rows))
    return images.index_copy_(0, rows, taken)


def _same(tensor: Tensor) -> Tensor:
    return tensor


def whole(values: Tensor) -> Tensor:
    """Cut values down to whole numbers in 0..255, in place; one that is 0.001 below stays."""
    return values.add_(0.001).floor_().clamp_(0, 255)
