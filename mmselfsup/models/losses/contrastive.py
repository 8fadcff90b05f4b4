"""InfoNCE. Letters: N anchors, K negatives of an anchor."""

import torch
import torch.nn.functional as F
from torch import Tensor

from ..utils.precision import full_precision


@full_precision
def info_nce(pos: Tensor, neg: Tensor, temperature: float) -> Tensor:
    """Return the cross entropy of classifying the positive among the negatives.

    The mean over the anchors of ``-log(e^(p/T) / (e^(p/T) + sum_k e^(n_k/T)))``: van den Oord et
    al. 2018, "Representation Learning with Contrastive Predictive Coding", equation 4, with
    similarities divided by a temperature.

    Args:
        pos: Similarity of each anchor to its positive, [N, 1].
        neg: Similarities of each anchor to its negatives, [N, K].
        temperature: Temperature T, above 0.

    Returns:
        A scalar, at least 0.
    """
    logits = torch.cat((pos, neg), dim=1) / temperature  # [N, 1 + K]
    positive_at = torch.zeros(len(logits), dtype=torch.long, device=logits.device)  # [N]
    return F.cross_entropy(logits, positive_at)
