"""The cosine loss of BYOL and SimSiam. Letters: N batch, D width."""

import torch.nn.functional as F
from torch import Tensor

from ..utils.precision import full_precision


@full_precision
def negative_cosine(prediction: Tensor, target: Tensor) -> Tensor:
    """Return the negative cosine between prediction and target, averaged over the batch.

    Chen & He 2021 (SimSiam), equation 1; half of BYOL's squared distance (Grill et al. 2020,
    equation 2) minus 1: ``|p/|p| - t/|t||^2 = 2 - 2 cos``.

    Args:
        prediction: Predictions p, [N, D], of any length.
        target: Targets t, [N, D], of any length; detach them to stop their gradient.

    Returns:
        A scalar in -1..1; -1 if each prediction has the direction of its target.
    """
    pairs = F.normalize(prediction, dim=1) * F.normalize(target, dim=1)  # [N, D]
    return -pairs.sum(dim=1).mean()
