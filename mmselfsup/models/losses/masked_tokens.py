"""The loss of tokens that are predicted at masked places.

Letters: N images, L places, M masked places of all images, K outputs.
"""

import torch
from torch import Tensor

from ..utils.masked_places import masked_places
from ..utils.precision import full_precision


@full_precision
def masked_token_prediction(
    scores: Tensor, targets: Tensor, mask: Tensor, temperature: float
) -> Tensor:
    """Return the cross-entropy at masked places: a mean over the places, then over the images.

    Zhou et al. 2022 (iBOT), equation 2. An image without masked places counts with 0.

    Args:
        scores: Scores of the student at masked places, [M, K], image by image, row by row.
        targets: Distributions of the teacher at the same places, [M, K], without gradient.
        mask: True at masked places, [N, L], M in all.
        temperature: Temperature of the student, above 0.

    Returns:
        A scalar, at least 0.
    """
    entropies = -(targets * torch.log_softmax(scores / temperature, dim=1)).sum(dim=1)  # [M]
    shares = 1 / mask.sum(dim=1, keepdim=True).clamp(min=1)  # [N, 1]
    places = masked_places(mask, len(entropies))
    weights = shares.to(entropies.dtype).expand(mask.shape)[places]  # [M]
    return (entropies * weights).sum() / len(mask)
