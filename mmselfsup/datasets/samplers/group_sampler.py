"""Samplers whose batches hold samples of one group only, such as portrait or landscape images.

The attribute ``flag`` of the dataset, integers [len], is the group of each sample; without it
all samples are one group.
"""

from __future__ import annotations

from collections.abc import Sized

import numpy as np
import torch

from mmselfsup.utils.errors import ArgumentError

from .base import Indices, SeededSampler


class DistributedGroupSampler(SeededSampler):
    """Fills batches of ``samples_per_gpu`` from one group each and distributes them in turn.

    A group that does not fill its last batch starts again; if the number of batches is not
    divisible by that of the ranks, the first of them are repeated.

    Args:
        dataset: The dataset to sample from.
        samples_per_gpu: Batch size of a rank.
        num_replicas: Number of ranks, by default the size of the process group.
        rank: This rank.
        seed: Seed of order and augmentations; that of rank 0 is used by all ranks.
    """

    def __init__(
        self,
        dataset: Sized,
        samples_per_gpu: int = 1,
        num_replicas: int | None = None,
        rank: int | None = None,
        seed: int | None = 0,
    ) -> None:
        super().__init__(dataset, num_replicas, rank, seed)
        if samples_per_gpu < 1:
            raise ArgumentError(f"samples_per_gpu must be 1 or more, got {samples_per_gpu}")
        self.samples_per_gpu = samples_per_gpu
        self.flag = np.asarray(
            getattr(dataset, "flag", np.zeros(len(dataset))), dtype=np.int64
        )  # [len]
        self.group_sizes = np.unique(self.flag, return_counts=True)[1]
        batches = int((-(-self.group_sizes // samples_per_gpu)).sum())
        self.num_samples = -(-batches // self.num_replicas) * samples_per_gpu
        self.total_size = self.num_samples * self.num_replicas

    def order(self) -> tuple[Indices, Indices]:
        generator, batches = self.generator(), []
        for group in np.unique(self.flag):
            members = np.flatnonzero(self.flag == group)
            drawn = members[torch.randperm(len(members), generator=generator).numpy()]
            filled = -(-len(drawn) // self.samples_per_gpu) * self.samples_per_gpu
            batches.append(np.resize(drawn, filled).reshape(-1, self.samples_per_gpu))
        shuffled = np.concatenate(batches)  # [number of batches, samples_per_gpu]
        shuffled = shuffled[torch.randperm(len(shuffled), generator=generator).numpy()]
        per_rank = self.num_samples // self.samples_per_gpu
        # Whole batches are distributed in turn, so that no batch mixes groups.
        turns = np.arange(self.rank, per_rank * self.num_replicas, self.num_replicas)
        positions = turns[:, None] * self.samples_per_gpu + np.arange(self.samples_per_gpu)
        return shuffled[turns % len(shuffled)].ravel(), positions.ravel()

    def __len__(self) -> int:
        return self.num_samples


class GroupSampler(DistributedGroupSampler):
    """A ``DistributedGroupSampler`` for a single process.

    Args:
        dataset: The dataset to sample from.
        samples_per_gpu: Batch size.
        seed: Seed of order and augmentations.
    """

    def __init__(self, dataset: Sized, samples_per_gpu: int = 1, seed: int | None = 0) -> None:
        super().__init__(dataset, samples_per_gpu, num_replicas=1, rank=0, seed=seed)
