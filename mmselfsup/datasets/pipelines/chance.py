"""The random choice of transforms that are applied with a probability."""

import torch

from mmselfsup.utils.errors import ArgumentError


def check_probability(p: float, name: str = "p") -> None:
    """Check that ``p`` is a probability.

    Args:
        p: The value.
        name: Of the argument, for the message.

    Raises:
        ArgumentError: It is not in 0..1.
    """
    if not 0 <= p <= 1:
        raise ArgumentError(f"{name} must be in 0..1, got {p}")


def bernoulli(p: float) -> bool:
    """Return True with probability ``p``, with one number from torch's generator."""
    return torch.rand(()).item() < p
