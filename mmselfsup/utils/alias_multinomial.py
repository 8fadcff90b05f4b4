"""Samples of a fixed discrete distribution, drawn in constant time each.

Source: Walker, An efficient method for generating discrete random variables (1977), with the
table set-up of Vose, A linear algorithm for generating random numbers (1991).
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .errors import ArgumentError


class AliasMethod:
    """A table of columns, each with its own outcome and one alias.

    Args:
        probs: [K], weights >= 0 of the outcomes 0..K-1; they are scaled to sum to 1.

    Raises:
        ArgumentError: ``probs`` is no vector, has a negative or non-finite entry or sums to 0.
    """

    def __init__(self, probs: Tensor) -> None:
        weights = probs.detach().double()
        usable = weights.dim() == 1 and bool(torch.isfinite(weights).all())
        if not usable or bool((weights < 0).any()) or float(weights.sum()) <= 0:
            raise ArgumentError("probs must be a vector of finite weights >= 0 with a positive sum")
        heights, alias = _table((weights * len(weights) / weights.sum()).cpu().numpy())
        self.prob = torch.from_numpy(heights).float().to(probs.device)  # [K]
        self.alias = torch.from_numpy(alias).to(probs.device)  # [K]

    def to(self, device: torch.device | str) -> "AliasMethod":
        """Move the tables to a device without a wait, and return them."""
        self.prob = self.prob.to(device, non_blocking=True)
        self.alias = self.alias.to(device, non_blocking=True)
        return self

    def cuda(self) -> None:
        """Move the tables to the current GPU; exists for calls written for MMSelfSup 0.x."""
        self.to("cuda")

    def draw(self, num: int) -> Tensor:
        """Draw outcomes with replacement.

        Args:
            num: Number of outcomes, at least 1.

        Returns:
            LongTensor [num] with values 0..K-1.

        Raises:
            ArgumentError: ``num`` is below 1.
        """
        if num < 1:
            raise ArgumentError(f"num must be at least 1, got {num}")
        column = torch.randint(len(self.prob), (num,), device=self.prob.device)
        keep = torch.rand(num, device=self.prob.device) < self.prob[column]
        return torch.where(keep, column, self.alias[column])


def _table(weights: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return the share of its own outcome and the alias of each column, both [K].

    Vose's sweep for all columns at once: the small columns, in turn, take what they lack from the
    first large column that has something left, and a large one that has given too much takes it
    from the next one. Sums of what small ones lack and large ones can give say who meets whom
    (Huebschle-Schneider and Sanders 2019, "Parallel Weighted Random Sampling", section 4.2).

    Args:
        weights: [K], at least 0, with the mean 1.
    """
    heights, alias = np.minimum(weights, 1.0), np.arange(len(weights))
    small, large = np.flatnonzero(weights < 1), np.flatnonzero(weights > 1)
    if not len(small) or not len(large):  # equal weights, but for rounding
        return np.ones_like(weights), alias
    lacking = np.cumsum(1 - weights[small])  # [S], of the small ones up to each
    given = np.cumsum(weights[large] - 1)  # [B], of the large ones up to each
    giver = np.searchsorted(given, np.append(0.0, lacking[:-1]), side="right")  # [S]
    alias[small] = large[np.minimum(giver, len(large) - 1)]
    # The first small column with which a large one, but the last, has given more than it had.
    beyond = np.searchsorted(lacking, given[:-1], side="right")  # [B - 1]
    gave = np.flatnonzero(beyond < len(lacking))
    heights[large[gave]] = np.clip(1 - (lacking[beyond[gave]] - given[gave]), 0.0, 1.0)
    alias[large[gave]] = large[gave + 1]
    return heights, alias
