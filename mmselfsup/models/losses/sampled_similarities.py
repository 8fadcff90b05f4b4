"""Similarities of features to rows of a memory bank.

Letters: N images, K negatives of an image, L rows of the bank, D width.
"""

from torch import Tensor

from ..utils.precision import full_precision


@full_precision
def sampled_similarities(
    feature: Tensor, bank: Tensor, pos_idx: Tensor, neg_idx: Tensor
) -> tuple[Tensor, Tensor]:
    """Return the similarities of each feature to its own row and to the rows drawn for it.

    Wu et al. 2018 (NPID), the products ``v_j . v`` of equation 2 before the temperature.

    Args:
        feature: Features [N, D], rows of unit length.
        bank: Memory bank [L, D], rows of unit length; converted to the dtype of the features.
        pos_idx: Index of each image's own row, [N] (int64), 0 to L - 1.
        neg_idx: Indices of the drawn rows, [N, K] (int64), 0 to L - 1.

    Returns:
        Similarities to the positive [N, 1] and to the negatives [N, K], in -1..1.
    """
    # One product with the whole bank, then a look-up: gathering the drawn rows, N x K x D numbers,
    # would take more memory than the N x L products for any bank that fits a device.
    similarity = feature @ bank.T.to(feature.dtype)  # [N, L]
    return similarity.gather(1, pos_idx[:, None]), similarity.gather(1, neg_idx)
