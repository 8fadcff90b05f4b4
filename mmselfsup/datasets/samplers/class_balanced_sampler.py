"""A sampler that shows rare classes more often than they occur."""

from __future__ import annotations

from collections.abc import Sized

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from ...utils.errors import ArgumentError, UserError
from .base import Indices
from .distributed_sampler import DistributedSampler


class ClassBalancedSampler(DistributedSampler):
    """Draws a class with a probability proportional to the number of its images to a power.

    An epoch has as many samples as without it: rare classes are repeated, frequent ones thinned
    out. Within a class all images are shown before one is shown again. Kang et al., "Decoupling
    Representation and Classifier for Long-Tailed Recognition", ICLR 2020, equation 1.

    Args:
        dataset: What to draw from; its `gt_labels` are integers [len].
        num_replicas: Number of ranks R, by default the size of the process group.
        rank: This rank r.
        power: 0 shows all classes alike, 0.5 by the square root of their size, 1 as they are.
        shuffle: Must be true.
        replace: Without meaning here.
        seed: Seed of order and augmentations; the one of rank 0 counts for all.

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

    def order(self) -> tuple[Indices, Indices]:
        generator = self.generator()
        sizes = np.array([len(rows) for rows in self.members])
        quotas = shares_to_counts(sizes**self.power, len(self.dataset), generator)
        drawn = [
            _repeat(rows, quota, generator)
            for rows, quota in zip(self.members, quotas, strict=True)
        ]
        mixed = torch.randperm(len(self.dataset), generator=generator).numpy()
        positions = np.arange(self.rank, self.total_size, self.num_replicas)  # [num_samples]
        return np.concatenate(drawn)[mixed][positions % len(mixed)], positions


def shares_to_counts(
    shares: ArrayLike, total: int, generator: torch.Generator
) -> NDArray[np.int64]:
    """Whole numbers that add up to `total` and are proportional to `shares` [C] to within one.

    What is left after rounding down goes to the largest fractions; equal ones are drawn.
    """
    parts = np.asarray(shares, dtype=np.float64)
    exact = parts / parts.sum() * total  # [C]
    counts = np.floor(exact).astype(np.int64)
    draw = torch.rand(len(exact), generator=generator, dtype=torch.float64).numpy()
    by_fraction = np.lexsort((draw, (counts - exact).round(9)))
    counts[by_fraction[: total - counts.sum()]] += 1
    return counts


def _repeat(rows: Indices, quota: int, generator: torch.Generator) -> Indices:
    """`quota` of the rows, each shown as often as any other, to within one."""
    rounds = -(-int(quota) // len(rows))
    orders = [torch.randperm(len(rows), generator=generator).numpy() for _ in range(rounds)]
    return rows[np.concatenate(orders)[:quota]] if orders else rows[:0]
