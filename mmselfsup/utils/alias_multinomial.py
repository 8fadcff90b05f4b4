"""Samples of a fixed discrete distribution, drawn in constant time each.

Source: Walker, An efficient method for generating discrete random variables (1977), with the
table set-up of Vose, A linear algorithm for generating random numbers (1991).
"""

import torch
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
        heights = (weights * len(weights) / weights.sum()).tolist()  # mean 1
        alias = list(range(len(heights)))
        small = [k for k, height in enumerate(heights) if height < 1]
        large = [k for k, height in enumerate(heights) if height >= 1]
        while small and large:
            low, high = small.pop(), large[-1]
            alias[low] = high
            heights[high] -= 1 - heights[low]
            if heights[high] < 1:
                small.append(large.pop())
        for column in small + large:  # 1 except for rounding
            heights[column] = 1.0
        self.prob = torch.tensor(heights, dtype=torch.float32, device=probs.device)  # [K]
        self.alias = torch.tensor(alias, dtype=torch.long, device=probs.device)  # [K]

    def cuda(self) -> None:
        """Move the tables to the current GPU; exists for calls written for MMSelfSup 0.x."""
        self.prob, self.alias = self.prob.to("cuda"), self.alias.to("cuda")

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
