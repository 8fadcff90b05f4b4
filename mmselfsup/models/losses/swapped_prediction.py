"""The losses of SwAV and DeepCluster v2.

Letters: V views, A of them with a code, N images, K prototypes.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from ..utils.precision import full_precision


@full_precision
def swapped_prediction(
    scores: Tensor, codes: Tensor, crops_for_assign: Sequence[int], temperature: float
) -> Tensor:
    """Return the loss of predicting the code of one view from every other view of the image.

    Caron et al. 2020 (SwAV), equation 2, for several crops as in equation 6: the mean over the
    views with a code, their other views and the images of ``-sum_k q_k log softmax(s / T)_k``.

    Args:
        scores: Similarities s of each view's projection to the prototypes, [V, N, K]; V is at
            least 2.
        codes: Codes q, [A, N, K], with rows that sum to 1 and without gradient.
        crops_for_assign: Indices of the A views that the codes belong to, 0 to V - 1.
        temperature: Temperature T, above 0.

    Returns:
        A scalar, at least 0.
    """
    log_p = torch.log_softmax(scores / temperature, dim=2)  # [V, N, K]
    num_views = len(scores)
    total = scores.new_zeros(())
    for crop, code in zip(crops_for_assign, codes, strict=True):
        agreement = (code * log_p).sum(dim=2).mean(dim=1)  # [V]
        total = total - (agreement.sum() - agreement[crop]) / (num_views - 1)
    return total / len(crops_for_assign)


@full_precision
def assigned_prediction(scores: Tensor, labels: Tensor, temperature: float) -> Tensor:
    """Return the cross entropy of the cluster of an image, predicted from each of its views.

    Caron et al. 2020, appendix on DeepCluster v2: the mean over views and images of
    ``-log softmax(s / T)_label``.

    Args:
        scores: Similarities s of each view's projection to the centroids, [V, N, K].
        labels: Cluster of each image, [N] (int64), 0 to K - 1, or -1 for an image that is left out.
        temperature: Temperature T, above 0.

    Returns:
        A scalar, at least 0; 0 without any cluster.
    """
    logits = scores.flatten(0, 1) / temperature  # [V*N, K]
    each = labels.repeat(len(scores))  # [V*N]
    total = F.cross_entropy(logits, each, ignore_index=-1, reduction="sum")
    return total / (each >= 0).sum().clamp(min=1)
