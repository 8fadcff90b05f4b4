"""Class weights of a loss from the class sizes. Letters: L samples, K classes."""

from typing import Any

import torch
from torch import Tensor, nn

from mmselfsup.utils.errors import ArgumentError


def count_classes(labels: Tensor, num_classes: int) -> Tensor:
    """Return the number of samples of each class, [K] (int64), on the device of the labels.

    Args:
        labels: Class of each sample, [L] (int64), 0..K-1.
        num_classes: K.
    """
    # torch.bincount would wait for the device: the size of its result depends on the labels.
    counts = torch.zeros(num_classes, dtype=torch.long, device=labels.device)  # [K]
    return counts.scatter_add_(0, labels, torch.ones_like(labels))


def balancing_weights(labels: Tensor, num_classes: int, power: float) -> Tensor:
    """Return weights that decrease with the size of a class: size^-power, with a sum of 1.

    Args:
        labels: Class of each sample, [L] (int64), 0..K-1.
        num_classes: K.
        power: 0 for equal weights, 1 for weights with which all classes count the same.

    Returns:
        Weights [K], float32, above 0.

    Difference from 0.x: an empty class has the weight of a class with one sample. In 0.x it had ten
    thousand times the weight of the others, for the first sample that entered it.
    """
    sizes = count_classes(labels, num_classes).clamp(min=1).float()  # [K]
    weights = sizes.pow(-power)
    return weights / weights.sum()


def set_class_weights(head: Any, weights: Tensor) -> None:
    """Set the class weights of a head's cross entropy.

    The weights are not in the ``state_dict``: they follow from the labels.

    Args:
        head: A head with a ``criterion``, such as ``ClsHead``.
        weights: Weight of each class, [K], at least 0.

    Raises:
        ArgumentError: The head has another loss, which would ignore them.
    """
    if not isinstance(getattr(head, "criterion", None), nn.CrossEntropyLoss):
        raise ArgumentError(
            "reweight=True needs the plain cross entropy of ClsHead: leave head.loss out, or set "
            "reweight=False"
        )
    weights = weights.to(next(head.parameters()))
    head.criterion.register_buffer("weight", weights, persistent=False)
