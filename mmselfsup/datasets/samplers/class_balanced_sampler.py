"""A sampler that draws rare classes more often than they occur."""

from __future__ import annotations

from collections.abc import Sized

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from mmselfsup.utils.errors import ArgumentError, UserError

from .base import Indices
from .distributed_sampler import DistributedSampler


class ClassBalancedSampler(DistributedSampler):
    """Draws a class with a probability proportional to the number of its images to a power.

    An epoch has as many samples as without it: rare classes are repeated, frequent ones thinned
    out. Within a class all images are shown before one is shown again. Kang et al., "Decoupling
    Representation and Classifier for Long-Tailed Recognition", ICLR 2020, equation 1.

    Args:
        dataset: The dataset to sample from; its ``gt_labels`` are integers [len].
        num_replicas: Number of ranks R, by default the size of the process group.
        rank: This rank r.
        power: 0 draws all classes equally often, 0.5 by the square root of their size, 1 by size.
        shuffle: Must be true.
        replace: Ignored.
        seed: Seed of order and augmentations; that of rank 0 is used by all ranks.

    Raises:
        UserError: The dataset has no label for each image.
    """

    def __init__(
        self,
        dataset: Sized,
        num_replicas: int | None = None,
        rank: int | None = None,
        power: float = 0.0,
        shuffle: bool = True,
        replace: bool = False,
        seed: int | None = 0,
    ) -> None:
        super().__init__(dataset, num_replicas, rank, shuffle, replace, seed)
        if not shuffle or not 0 <= power <= 1:
            raise ArgumentError(f"power must be 0 to 1 and shuffle true, got {power} and {shuffle}")
        labels = np.asarray(getattr(dataset, "gt_labels", []))
        if labels.shape != (len(dataset),) or labels.min() < 0:
            raise UserError("ClassBalancedSampler needs one label for each image of data.train")
        self.power = power
        self.members = [np.flatnonzero(labels == c) for c in np.unique(labels)]  # by class

    def set_uniform_indices(self, labels: ArrayLike, num_classes: int) -> None:
        """Raise an error: one sampler can't balance the labels and other classes.

        Raises:
            UserError: Always.
        """
        raise UserError(
            "data.sampler=ClassBalancedSampler balances the labels, and unif_sampling=True of "
            "DeepClusterHook the clusters: take one of the two out"
        )

    def order(self) -> tuple[Indices, Indices]:
        generator = self.generator()
        sizes = np.array([len(rows) for rows in self.members])
        quotas = proportional_counts(sizes**self.power, len(self.dataset), generator)
        drawn = [
            _repeat(rows, quota, generator)
            for rows, quota in zip(self.members, quotas, strict=True)
        ]
        shuffled = torch.randperm(len(self.dataset), generator=generator).numpy()
        positions = np.arange(self.rank, self.total_size, self.num_replicas)  # [num_samples]
        return np.concatenate(drawn)[shuffled][positions % len(shuffled)], positions


def proportional_counts(
    weights: ArrayLike, total: int, generator: torch.Generator
) -> NDArray[np.int64]:
    """Return integers that sum to ``total``, proportional to ``weights`` [C] to within one.

    The remainder after rounding down goes to the largest fractions, at random among equal ones.
    """
    values = np.asarray(weights, dtype=np.float64)
    exact = values / values.sum() * total  # [C]
    counts = np.floor(exact).astype(np.int64)
    tie_break = torch.rand(len(exact), generator=generator, dtype=torch.float64).numpy()
    # rounded, so that fractions that are equal but for rounding errors count as equal
    by_fraction = np.lexsort((tie_break, (counts - exact).round(9)))
    counts[by_fraction[: total - counts.sum()]] += 1
    return counts


def _repeat(rows: Indices, quota: int, generator: torch.Generator) -> Indices:
    """Return ``quota`` random rows, each as often as any other to within one."""
    rounds = -(-int(quota) // len(rows))
    orders = [torch.randperm(len(rows), generator=generator).numpy() for _ in range(rounds)]
    return rows[np.concatenate(orders)[:quota]] if orders else rows[:0]
