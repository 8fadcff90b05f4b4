"""Similarities of features to rows of a memory bank.

Letters: N images, K negatives of an image, L rows of the bank, D width.
"""

from torch import Tensor

from ..utils.precision import full_precision


@full_precision
def sampled_similarities(
    feature: Tensor, bank: Tensor, pos_idx: Tensor, neg_idx: Tensor
) -> tuple[Tensor, Tensor]:
    """Inner products of each feature with its own row and with the rows that were drawn for it.

    One product with the whole bank and a look-up: the drawn rows themselves, N x K x D numbers,
    would take more memory than the N x L products for any bank that fits a device.

    Args:
        feature: Unit rows [N, D].
        bank: Unit rows [L, D].
        pos_idx: Own row of each image, [N].
        neg_idx: Drawn rows, [N, K].

    Returns:
        Similarities to the positive [N, 1] and to the negatives [N, K].
    """
    similarity = feature @ bank.T.to(feature.dtype)  # [N, L]
    return similarity.gather(1, pos_idx[:, None]), similarity.gather(1, neg_idx)
