"""Weigh the classes of a loss by their sizes. Letters: L samples, K classes."""

from typing import Any

import torch
from torch import Tensor, nn

from ...utils.errors import ArgumentError


def count_classes(labels: Tensor, num_classes: int) -> Tensor:
    """Number of samples of each class: labels [L] -> [K] (int64), without waiting for a device."""
    counts = torch.zeros(num_classes, dtype=torch.long, device=labels.device)  # [K]
    return counts.scatter_add_(0, labels, torch.ones_like(labels))


def balancing_weights(labels: Tensor, num_classes: int, power: float) -> Tensor:
    """Weights that go down with the size of a class: size^-power, scaled to a sum of 1.

    Args:
        labels: Class of each sample, [L] (int64).
        num_classes: K.
        power: 0 weighs all classes alike, 1 makes small and large classes count the same.

    Returns:
        [K], float32.

    Difference from 0.x: an empty class weighs as a class with one sample. In 0.x it had ten
    thousand times the weight of the others, for the first sample that came into it.
    """
    sizes = count_classes(labels, num_classes).clamp(min=1).float()  # [K]
    weights = sizes.pow(-power)
    return weights / weights.sum()


def set_class_weights(head: Any, weights: Tensor) -> None:
    """Let the cross entropy of a head weigh its classes.

    The weights are no part of the ``state_dict``: they follow from the labels.

    Args:
        head: Has a ``criterion`` with a ``weight``, as ``ClsHead``.
        weights: [K].

    Raises:
        ArgumentError: The head has another loss, which would not look at them.
    """
    if not isinstance(getattr(head, "criterion", None), nn.CrossEntropyLoss):
        raise ArgumentError(
            "reweight=True needs the plain cross entropy of ClsHead: leave head.loss out, or set "
            "reweight=False"
        )
    weights = weights.to(next(head.parameters()))
    head.criterion.register_buffer("weight", weights, persistent=False)
