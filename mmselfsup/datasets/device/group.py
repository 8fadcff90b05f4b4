"""Groups of batched transforms that are applied together or not at all."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ..pipelines.chance import bernoulli
from .twin import BatchedTransform


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
