"""Samplers that distribute a dataset over the ranks, by epochs or by iterations."""

from __future__ import annotations

import math
from collections.abc import Sized

import numpy as np
import torch

from .base import Indices, UniformClassSampler


class DistributedSampler(UniformClassSampler):
    """Distributes each epoch's order in turn: rank r of R gets positions r, r + R, r + 2R, ...

    Every rank gets the same number of samples: where the dataset is not divisible by R, the order
    starts again for the last few. A single rank gets every sample exactly once.

    Args:
        dataset: The dataset to sample from.
        num_replicas: Number of ranks R, by default the size of the process group.
        rank: This rank r.
        shuffle: Draw a new order every epoch; else 0, 1, 2, ...
        replace: Draw with replacement (only used with ``shuffle``).
        seed: Seed of order and augmentations; that of rank 0 is used by all ranks.
    """

    def __init__(
        self,
        dataset: Sized,
        num_replicas: int | None = None,
        rank: int | None = None,
        shuffle: bool = True,
        replace: bool = False,
        seed: int | None = 0,
    ) -> None:
        super().__init__(dataset, num_replicas, rank, seed)
        self.shuffle = shuffle
        self.replace = replace
        self.num_samples = math.ceil(len(dataset) / self.num_replicas)
        self.total_size = self.num_samples * self.num_replicas

    def order(self) -> tuple[Indices, Indices]:
        size, generator = len(self.dataset), self.generator()
        if self._labels is not None:
            drawn = self._uniform_order(size, generator)
        elif not self.shuffle:
            drawn = np.arange(size)
        elif self.replace:
            drawn = torch.randint(size, (size,), generator=generator).numpy()
        else:
            drawn = torch.randperm(size, generator=generator).numpy()
        positions = np.arange(self.rank, self.total_size, self.num_replicas)  # [num_samples]
        # Positions beyond the end repeat the first samples, with augmentations of their own.
        return drawn[positions % size], positions

    def __len__(self) -> int:
        return self.num_samples


class DistributedGivenIterationSampler(UniformClassSampler):
    """A single pass of a given number of iterations: one order after the other without a break.

    Args:
        dataset: The dataset to sample from.
        total_iter: Iterations of the whole run.
        batch_size: Samples of a rank in an iteration.
        num_replicas: Number of ranks, by default the size of the process group.
        rank: This rank.
        last_iter: The last finished iteration, to resume; -1 for the start.
        seed: Seed of order and augmentations; that of rank 0 is used by all ranks.
    """

    def __init__(
        self,
        dataset: Sized,
        total_iter: int,
        batch_size: int,
        num_replicas: int | None = None,
        rank: int | None = None,
        last_iter: int = -1,
        seed: int | None = 0,
    ) -> None:
        super().__init__(dataset, num_replicas, rank, seed)
        self.total_iter = total_iter
        self.batch_size = batch_size
        self.last_iter = last_iter
        self.total_size = total_iter * batch_size  # samples of a rank

    def order(self) -> tuple[Indices, Indices]:
        size, length = len(self.dataset), self.total_size * self.num_replicas
        generator = self.generator()
        if self._labels is not None:
            drawn = self._uniform_order(length, generator)
        else:
            rounds = [torch.randperm(size, generator=generator) for _ in range(-(-length // size))]
            drawn = torch.cat(rounds).numpy() if rounds else np.arange(0)
        start = (self.last_iter + 1) * self.batch_size * self.num_replicas
        positions = np.arange(start + self.rank, length, self.num_replicas)
        return drawn[positions], positions

    def set_epoch(self, epoch: int) -> None:
        """Do nothing: the whole run is one pass."""

    def __len__(self) -> int:
        return max(0, self.total_size - (self.last_iter + 1) * self.batch_size)
