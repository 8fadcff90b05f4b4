"""A transform that is applied sometimes."""

import torch

from ...utils.errors import ArgumentError


def check_probability(p: float, name: str = "p") -> None:
    """Raise ValueError where `p` is no probability."""
    if not 0 <= p <= 1:
        raise ArgumentError(f"{name} must be in 0..1, got {p}")


def happens(p: float) -> bool:
    """Draw True with probability `p`."""
    return torch.rand(()).item() < p
