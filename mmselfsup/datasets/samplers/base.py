"""The base classes of samplers: ranks, epochs, and indices that carry a seed."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sized

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch.utils.data import Sampler

from mmselfsup.utils import dist
from mmselfsup.utils.errors import ArgumentError

from ..seeding import SampleIndex, sample_seeds

Indices = NDArray[np.int64]


class SeededSampler(Sampler[int]):
    """A sampler that distributes an epoch over the ranks, determined by its seed and the epoch.

    Every pass is an epoch. ``set_epoch`` sets its number; without it, each pass is the next epoch,
    so a plain ``for batch in loader`` has a new order and new augmentations every time.

    Args:
        dataset: The dataset to sample from.
        num_replicas: Number of ranks, by default the size of the process group.
        rank: This rank.
        seed: Seed of order and augmentations; that of rank 0 is used by all ranks.
        epoch: The epoch of the first pass.
    """

    def __init__(
        self, dataset: Sized, num_replicas: int | None, rank: int | None, seed: int | None
    ) -> None:
        self.dataset = dataset
        self.num_replicas = dist.get_world_size() if num_replicas is None else num_replicas
        self.rank = dist.get_rank() if rank is None else rank
        if not 0 <= self.rank < self.num_replicas:
            raise ArgumentError(f"rank must be in 0..{self.num_replicas - 1}, got {self.rank}")
        if len(dataset) == 0:
            raise ArgumentError("the dataset is empty: there is nothing to draw")
        seed = 0 if seed is None else int(seed)
        # without a common seed the ranks would draw from different orders
        self.seed: int = dist.broadcast_object(seed) if self.num_replicas > 1 else seed
        self.epoch = 0
        self._skip = 0

    @abstractmethod
    def order(self) -> tuple[Indices, Indices]:
        """Return the order of the epoch ``self.epoch``.

        Returns:
            The indices of this rank and their positions in the order over all ranks, both [n].
        """

    def set_epoch(self, epoch: int) -> None:
        """Set the epoch of the next pass."""
        self.epoch = epoch

    def skip_next(self, num_samples: int) -> None:
        """Skip the first samples of this rank in the next pass, to resume inside an epoch."""
        self._skip = num_samples

    def __iter__(self) -> Iterator[int]:
        indices, positions = self.order()

        seeds = sample_seeds(self.seed, self.epoch, positions)
        skip, self._skip = self._skip, 0
        self.epoch += 1
        pairs = zip(indices[skip:].tolist(), seeds[skip:].tolist(), strict=True)
        return (SampleIndex(index, seed) for index, seed in pairs)

    def generator(self) -> torch.Generator:
        """Return a new generator for this epoch, equal on all ranks and machines."""
        mixed = sample_seeds(self.seed, self.epoch, np.array([-1]))  # no sample has position -1
        return torch.Generator().manual_seed(int(mixed[0] >> np.uint64(1)))


class UniformClassSampler(SeededSampler):
    """A sampler that can draw all (pseudo) classes equally often, as in DeepCluster."""

    _labels: Indices | None = None

    def set_uniform_indices(self, labels: ArrayLike, num_classes: int) -> None:
        """Draw every class equally often from the next pass on, with replacement.

        Args:
            labels: [len(dataset)], the class of each sample, 0..num_classes-1.
            num_classes: Number of classes; those without a sample are left out.
        """
        values = np.asarray(labels, dtype=np.int64)
        if values.shape != (len(self.dataset),) or values.min() < 0 or values.max() >= num_classes:
            raise ArgumentError(
                f"labels must be {len(self.dataset)} integers in 0..{num_classes - 1}, got the "
                f"shape {values.shape} and values in {values.min()}..{values.max()}"
            )
        self._labels = values

    def _uniform_order(self, length: int, generator: torch.Generator) -> Indices:
        """Return ``length`` random indices in which class sizes differ by at most one."""
        assert self._labels is not None
        by_class = np.argsort(self._labels, kind="stable")
        classes, starts, sizes = np.unique(
            self._labels[by_class], return_index=True, return_counts=True
        )
        # Classes in turn, so that none is left to chance; then a random member of each.
        which = np.arange(length) % len(classes)  # [length], which class
        shift = torch.rand(length, generator=generator, dtype=torch.float64).numpy()
        members = by_class[starts[which] + (shift * sizes[which]).astype(np.int64)]
        return members[torch.randperm(length, generator=generator).numpy()]
