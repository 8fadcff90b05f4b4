"""Weigh the classes of a loss by their sizes. Letters: L samples, K classes."""

from typing import Any

import torch
from torch import Tensor


def balancing_weights(labels: Tensor, num_classes: int, power: float) -> Tensor:
    """Weights that go down with the size of a class: size^-power, scaled to a sum of 1.

    Args:
        labels: class of each sample, [L] (int64).
        num_classes: K.
        power: 0 weighs all classes alike, 1 makes small and large classes count the same.

    Returns:
        [K], float32.

    Difference from 0.x: an empty class weighs as a class with one sample. In 0.x it had ten
    thousand times the weight of the others, for the first sample that came into it.
    """
    sizes = torch.bincount(labels, minlength=num_classes).clamp(min=1).float()  # [K]
    weights = sizes.pow(-power)
    return weights / weights.sum()


def set_class_weights(head: Any, weights: Tensor) -> None:
    """Let the cross entropy of a head weigh its classes.

    The weights are no part of the ``state_dict``: they follow from the labels.

    Args:
        head: has a ``criterion`` with a ``weight``, as :class:`ClsHead`.
        weights: [K].
    """
    weights = weights.to(next(head.parameters()))
    head.criterion.register_buffer("weight", weights, persistent=False)
