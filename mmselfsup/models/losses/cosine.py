"""Agreement of two vectors by their angle. Letters: N batch, D width."""

import torch.nn.functional as F
from torch import Tensor

from ..utils.precision import full_precision


@full_precision
def negative_cosine(prediction: Tensor, target: Tensor) -> Tensor:
    """The mean over the batch of minus the cosine between prediction and target.

    Chen & He 2021 (SimSiam), equation 1; half of BYOL's squared distance (Grill et al. 2020,
    equation 2) less one: ``|p/|p| - t/|t||^2 = 2 - 2 cos``.

    Args:
        prediction: [N, D].
        target: [N, D]; detach it where no gradient shall flow.

    Returns:
        A scalar in -1..1, lowest where all pairs point the same way.
    """
    pairs = F.normalize(prediction, dim=1) * F.normalize(target, dim=1)  # [N, D]
    return -pairs.sum(dim=1).mean()
