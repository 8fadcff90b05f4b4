"""Losses of a classifier for unbalanced classes, and weights and margins from the class sizes.

Each loss is the mean over the images of ``sum_c y_c w_c l_c``: y the label (one-hot, or mixed), w
the weight of a class, l_c the loss of an image if its class were c. The mean divides by N, not by
the sum of the batch's weights as torch's ``cross_entropy`` does: so the halves of a batch on two
processes have the loss of the joined batch as their mean.

Weights and margins are computed in float64 and returned as float32 on the device of the counts.

Letters: N images, C classes.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmselfsup.utils.errors import ArgumentError

from ..utils.precision import full_precision


def label_shares(labels: Tensor, num_classes: int, smoothing: float = 0.0) -> Tensor:
    """Return labels as class distributions.

    Args:
        labels: Class numbers [N] (int64), 0 to C - 1, or class distributions [N, C] (mixup) with
            rows that add up to 1.
        num_classes: C.
        smoothing: Part of each label that is spread over all classes, 0 to 1.

    Returns:
        Class distributions [N, C], float32; rows add up to 1.
    """
    targets = labels if labels.ndim == 2 else F.one_hot(labels, num_classes)  # [N, C]
    return targets.float() * (1 - smoothing) + smoothing / num_classes


@full_precision
def weighted_cross_entropy(
    logits: Tensor, labels: Tensor, weight: Tensor | None = None, smoothing: float = 0.0
) -> Tensor:
    """Return the cross entropy: ``l_c = -log softmax(z)_c``.

    Args:
        logits: The logits z, [N, C].
        labels: See ``label_shares``.
        weight: The weights w, [C], at least 0; None for equal weights.
        smoothing: See ``label_shares``.

    Returns:
        A scalar, at least 0.
    """
    targets = label_shares(labels, logits.shape[1], smoothing)
    return _mean(-logits.log_softmax(dim=1), targets, weight)


@full_precision
def focal_loss(
    logits: Tensor, labels: Tensor, gamma: float = 2.0, weight: Tensor | None = None
) -> Tensor:
    """Return the focal loss over the softmax: ``l_c = -(1 - p_c)^gamma log p_c``.

    Lin et al., "Focal Loss for Dense Object Detection", ICCV 2017, equation 5; the weight of a
    class is the paper's alpha.

    Difference from the paper: classes exclude each other here, so p is the softmax, not a sigmoid
    for each class.

    Args:
        logits: Logits, [N, C].
        labels: See ``label_shares``.
        gamma: At least 0; 0 is cross entropy.
        weight: Weight of each class, [C], at least 0; None for equal weights.

    Returns:
        A scalar, at least 0.
    """
    log_p = logits.log_softmax(dim=1)  # [N, C]
    rest = -torch.expm1(log_p)  # 1 - p; the subtraction would lose its digits for p near 1
    # Not 0: the gradient of 0^gamma is infinite for gamma below 1.
    focus = rest.clamp_min(torch.finfo(rest.dtype).tiny) ** gamma
    return _mean(-focus * log_p, label_shares(labels, logits.shape[1]), weight)


@full_precision
def logit_adjusted_cross_entropy(
    logits: Tensor,
    labels: Tensor,
    log_priors: Tensor,
    tau: float = 1.0,
    weight: Tensor | None = None,
) -> Tensor:
    """Return the cross entropy of logits adjusted by class priors: ``softmax(z + tau log pi)``.

    Menon et al., "Long-tail Learning via Logit Adjustment", ICLR 2021, equation 10. At test time
    the logits are used without the adjustment: they then rank the classes as if all were equally
    frequent.

    Args:
        logits: The logits z, [N, C].
        labels: See ``label_shares``.
        log_priors: Logarithm of each class's fraction pi of the training data, [C], see
            ``log_prior``.
        tau: 1 optimises the balanced accuracy, 0 is cross entropy.
        weight: Weight of each class, [C], at least 0; None for equal weights.

    Returns:
        A scalar, at least 0.
    """
    log_p = (logits + tau * log_priors).log_softmax(dim=1)  # [N, C]
    return _mean(-log_p, label_shares(labels, logits.shape[1]), weight)


@full_precision
def ldam_loss(
    logits: Tensor, labels: Tensor, margins: Tensor, weight: Tensor | None = None
) -> Tensor:
    """Return the cross entropy in which the class of an image must win by a margin.

    ``l_y = -log(e^(z_y - m_y) / (e^(z_y - m_y) + sum over c != y of e^(z_c)))``: Cao et al.,
    NeurIPS 2019, equations 10 and 11.

    Args:
        logits: The logits z, [N, C]: the scale s of the paper's implementation times the cosines.
        labels: Class numbers [N] (int64), 0 to C - 1.
        margins: The margins m, [C]: s times ``ldam_margins``.
        weight: Weight of each class, [C], at least 0; None for equal weights.

    Returns:
        A scalar, at least 0.

    Raises:
        ArgumentError: The labels are distributions (mixup), for which a margin has no meaning.
    """
    if labels.ndim != 1:
        raise ArgumentError("LDAM's margin needs one class for each image: leave mixup out")
    one_hot = label_shares(labels, logits.shape[1])  # [N, C]
    log_p = (logits - one_hot * margins).log_softmax(dim=1)  # [N, C]
    return _mean(-log_p, one_hot, weight)


def inverse_frequency_weights(counts: Tensor) -> Tensor:
    """Return weights proportional to 1/n_c, with mean 1, so that all classes count the same.

    Args:
        counts: Number of images n_c of each class, [C], each at least 1.

    Returns:
        Weights [C], above 0, with a sum of C.
    """
    return _mean_one(1.0 / counts.double()).float()


def effective_number_weights(counts: Tensor, beta: float = 0.999) -> Tensor:
    """Return weights proportional to 1/E_c, E_c = (1 - beta^n_c) / (1 - beta), with mean 1.

    Cui et al., "Class-Balanced Loss Based on Effective Number of Samples", CVPR 2019, equations 2
    and 11, scaled as in section 4. beta = 0 gives equal weights; for beta towards 1 the weights
    converge to those of ``inverse_frequency_weights``.

    Args:
        counts: Number of images n_c of each class, [C], each at least 1.
        beta: At least 0 and below 1; the paper uses 0.9, 0.99, 0.999 or 0.9999.

    Returns:
        Weights [C], above 0, with a sum of C.

    Raises:
        ValueError: ``beta`` is out of range.
    """
    if not 0 <= beta < 1:
        raise ValueError(f"beta must be at least 0 and below 1, got {beta}")
    # expm1(n log beta) instead of beta^n - 1, which loses its digits for beta near 1.
    log_beta = torch.tensor(beta, dtype=torch.float64).log()
    return _mean_one((1.0 - beta) / -torch.expm1(counts.double() * log_beta)).float()


def ldam_margins(counts: Tensor, max_margin: float = 0.5) -> Tensor:
    """Return margins proportional to n_c^(-1/4), the largest of which is ``max_margin``.

    Cao et al., "Learning Imbalanced Datasets with Label-Distribution-Aware Margin Loss", NeurIPS
    2019, equation 13.

    Args:
        counts: Number of images n_c of each class, [C], each at least 1.
        max_margin: Margin of the rarest class, at least 0.

    Returns:
        Margins [C], 0 to ``max_margin``.
    """
    margins = counts.double() ** -0.25
    return (margins * (max_margin / margins.max())).float()


def log_prior(counts: Tensor) -> Tensor:
    """Return the logarithm of each class's fraction of the images, [C], at most 0.

    Args:
        counts: Number of images of each class, [C], each at least 1.
    """
    priors = counts.double() / counts.sum()  # [C]
    return priors.log().float()


def count_classes(labels: Tensor, num_classes: int) -> Tensor:
    """Return the number of images of each class, [C] (int64), on the device of the labels.

    Args:
        labels: Class of each image, [N] (int64), 0..C-1.
        num_classes: C.
    """
    # torch.bincount would wait for the device: the size of its result depends on the labels.
    counts = torch.zeros(num_classes, dtype=torch.long, device=labels.device)  # [C]
    return counts.scatter_add_(0, labels, torch.ones_like(labels))


def balancing_weights(labels: Tensor, num_classes: int, power: float) -> Tensor:
    """Return weights that decrease with the size of a class: size^-power, with a sum of 1.

    Args:
        labels: Class of each image, [N] (int64), 0..C-1.
        num_classes: C.
        power: 0 for equal weights, 1 for weights with which all classes count the same.

    Returns:
        Weights [C], float32, above 0.

    Difference from 0.x: an empty class has the weight of a class with one image. In 0.x it had ten
    thousand times the weight of the others, for the first image that entered it.
    """
    sizes = count_classes(labels, num_classes).clamp(min=1).float()  # [C]
    weights = sizes.pow(-power)
    return weights / weights.sum()


def set_class_weights(head: Any, weights: Tensor) -> None:
    """Set the class weights of a head's cross entropy.

    The weights are not in the ``state_dict``: they follow from the labels.

    Args:
        head: A head with a ``criterion``, such as ``ClsHead``.
        weights: Weight of each class, [C], at least 0.

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


def _mean(losses: Tensor, targets: Tensor, weight: Tensor | None) -> Tensor:
    """Return the mean over N of ``sum_c y_c w_c l_c``, all [N, C] except the weight [C]."""
    weighted = losses * targets if weight is None else losses * targets * weight  # [N, C]
    return weighted.sum(dim=1).mean()


def _mean_one(weights: Tensor) -> Tensor:
    """Return weights [C] scaled to a mean of 1."""
    return weights * (len(weights) / weights.sum())
