"""The base classes of batched transforms, and the parameters that they work with.

Letters: N images, P parameters of an image, H, W size of an image in pixels.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from torch import Tensor

from ..pipelines.compose import bernoulli


class BatchedTransform(ABC):
    """The batched counterpart of one transform.

    Attributes:
        identity_params: [P], the parameters that leave an image as it is; their number is P.
    """

    identity_params: tuple[float, ...]

    @abstractmethod
    def sample_params(self, height: int, width: int) -> tuple[float, ...]:
        """Return sampled parameters [P] for one image of this size.

        The calls of torch's generator are those of the transform itself, in its order.
        """


@dataclass
class SampledParams:
    """The parameters of a batch, on the host, where their values are known, and on the device.

    Every decision that depends on their values (such as which images to change) is made on the
    host: reading a value from the device would wait until all work queued there is done.

    Attributes:
        host: [N, P] on the CPU.
        device: [N, P], the same values on the device of the images.
    """

    host: Tensor
    device: Tensor

    def part(self, begin: int, end: int) -> SampledParams:
        """Return the columns from ``begin`` to ``end``."""
        return SampledParams(self.host[:, begin:end], self.device[:, begin:end])

    def column(self, i: int) -> Tensor:
        """Return one parameter of each image, [N, 1, 1, 1] on the device."""
        return self.device[:, i, None, None, None]


class BatchedPixelTransform(BatchedTransform):
    """A batched transform that changes the values of images and not their shape."""

    @abstractmethod
    def apply(self, images: Tensor, params: SampledParams) -> Tensor:
        """Return the changed batch.

        Args:
            images: [N, 3, H, W] float32, integer values in 0..255; may be changed in place.
            params: [N, P].

        Returns:
            [N, 3, H, W], integer values: each step ends in 8 bits, as in the workers' pipeline.
        """


def apply_to_selected(
    images: Tensor,
    selected: Tensor,
    function: Callable[[Tensor, Callable[[Tensor], Tensor]], Tensor],
) -> Tensor:
    """Return the batch with some of its images changed; it may be changed in place.

    Args:
        images: [N, ...].
        selected: [N] bool on the host: which images to change.
        function: Receives these images and a function that selects their rows of any other tensor
            [N, ...] on the device; returns the changed images in the same shape.
    """
    if bool(selected.all()):  # the common cases need no copy
        return function(images, _same)
    if not bool(selected.any()):
        return images
    # on the host: ``nonzero`` on a device would wait for it to learn the size of the result
    rows = selected.nonzero()[:, 0].to(images.device, non_blocking=True)
    changed = function(images.index_select(0, rows), lambda other: other.index_select(0, rows))
    return images.index_copy_(0, rows, changed)


def quantize_(values: Tensor) -> Tensor:
    """Return values rounded down to integers in 0..255, in place.

    Float32 may give 99.9999 where the exact result is 100; a value up to 0.001 below an integer
    counts as this integer.
    """
    return values.add_(0.001).floor_().clamp_(0, 255)


class BatchedRandomApply(BatchedTransform):
    """The batched ``RandomAppliedTrans``. Parameters: those of the transforms in it."""

    def __init__(self, transforms: Sequence[BatchedTransform], p: float) -> None:
        self.transforms, self.p = transforms, p
        self.identity_params = tuple(v for inner in transforms for v in inner.identity_params)

    def sample_params(self, height: int, width: int) -> tuple[float, ...]:
        # As in ``RandomAppliedTrans``, a skipped group takes no numbers from the generator.
        if not bernoulli(self.p):
            return self.identity_params
        return tuple(v for inner in self.transforms for v in inner.sample_params(height, width))


def flatten_transforms(
    transforms: Sequence[BatchedTransform], begin: int = 0
) -> Iterator[tuple[BatchedTransform, int, int]]:
    """Yield all transforms, those inside groups too, each with the columns of its parameters.

    Args:
        transforms: Transforms and groups.
        begin: Column of the first parameter.

    Yields:
        The transform, its first column, and the first column after it.
    """
    for transform in transforms:
        end = begin + len(transform.identity_params)
        if isinstance(transform, BatchedRandomApply):
            yield from flatten_transforms(transform.transforms, begin)
        else:
            yield transform, begin, end
        begin = end


def _same(tensor: Tensor) -> Tensor:
    return tensor
