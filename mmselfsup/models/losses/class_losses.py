"""Losses of a classifier whose classes are unbalanced. Letters: N images, C classes.

Each is the mean over the images of ``sum_c y_c w_c l_c``: y the label (one-hot, or mixed), w the
weight of a class, l_c the loss of an image as if it were of class c. The mean is over N, not over
the weights of the batch (as torch's ``cross_entropy`` has it): so halves of a batch on two
processes give the loss of the joined batch.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from ...utils.errors import ArgumentError
from ..utils.precision import full_precision


def label_shares(labels: Tensor, num_classes: int, smoothing: float = 0.0) -> Tensor:
    """Labels [N], or shares [N, C] (mixup), as float shares [N, C].

    Args:
        labels: Class numbers, or shares that add up to 1.
        num_classes: C.
        smoothing: Part of each label that is spread over all classes, 0 to 1.
    """
    shares = labels if labels.ndim == 2 else F.one_hot(labels, num_classes)  # [N, C]
    return shares.float() * (1 - smoothing) + smoothing / num_classes


@full_precision
def weighted_cross_entropy(
    logits: Tensor, labels: Tensor, weight: Tensor | None = None, smoothing: float = 0.0
) -> Tensor:
    """Cross entropy: ``l_c = -log softmax(z)_c``.

    Args:
        logits: z, [N, C].
        labels: [N], or shares [N, C].
        weight: w, [C]; None weighs all classes alike.
        smoothing: See ``label_shares``.

    Returns:
        A scalar.
    """
    shares = label_shares(labels, logits.shape[1], smoothing)
    return _mean(-logits.log_softmax(dim=1), shares, weight)


@full_precision
def focal_loss(
    logits: Tensor, labels: Tensor, gamma: float = 2.0, weight: Tensor | None = None
) -> Tensor:
    """Focal loss over the softmax: ``l_c = -(1 - p_c)^gamma log p_c``.

    Lin et al., "Focal Loss for Dense Object Detection", ICCV 2017, equation 5; the weight of a
    class is the paper's alpha.

    Difference from the paper: classes exclude each other here, so p is the softmax, not a sigmoid
    for each class.

    Args:
        logits: [N, C].
        labels: [N], or shares [N, C].
        gamma: At least 0; 0 is cross entropy.
        weight: [C]; None weighs all classes alike.

    Returns:
        A scalar.
    """
    log_p = logits.log_softmax(dim=1)  # [N, C]
    rest = -torch.expm1(log_p)  # 1 - p, with all its digits where p is nearly 1
    # The gradient of 0^gamma is infinite for gamma below 1.
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
    """Cross entropy of logits that know how frequent classes are: ``softmax(z + tau log pi)``.

    Menon et al., "Long-tail Learning via Logit Adjustment", ICLR 2021, equation 10. At test time
    the logits are taken as they are: they then rank classes as if all were equally frequent.

    Args:
        logits: z, [N, C].
        labels: [N], or shares [N, C].
        log_priors: Log of the share pi of each class in the training data, [C].
        tau: 1 aims at the balanced accuracy, 0 is cross entropy.
        weight: [C]; None weighs all classes alike.

    Returns:
        A scalar.
    """
    log_p = (logits + tau * log_priors).log_softmax(dim=1)  # [N, C]
    return _mean(-log_p, label_shares(labels, logits.shape[1]), weight)


@full_precision
def ldam_loss(
    logits: Tensor, labels: Tensor, margins: Tensor, weight: Tensor | None = None
) -> Tensor:
    """Cross entropy in which the class of an image has to win by a margin.

    ``l_y = -log(e^(z_y - m_y) / (e^(z_y - m_y) + sum over c != y of e^(z_c)))``: Cao et al.,
    NeurIPS 2019, equations 10 and 11.

    Args:
        logits: z, [N, C]; with the scale s of the paper's implementation, s times the cosines.
        labels: [N].
        margins: m, [C]; with a scale, s times ``ldam_margins``.
        weight: [C]; None weighs all classes alike.

    Returns:
        A scalar.

    Raises:
        ArgumentError: Mixed labels, for which a margin has no meaning.
    """
    if labels.ndim != 1:
        raise ArgumentError("LDAM's margin needs one class for each image: leave mixup out")
    one_hot = label_shares(labels, logits.shape[1])  # [N, C]
    log_p = (logits - one_hot * margins).log_softmax(dim=1)  # [N, C]
    return _mean(-log_p, one_hot, weight)


def _mean(losses: Tensor, shares: Tensor, weight: Tensor | None) -> Tensor:
    """Mean over N of ``sum_c y_c w_c l_c``, all [N, C] but the weight [C]."""
    weighed = losses * shares if weight is None else losses * shares * weight
    return weighed.sum(dim=1).mean()
