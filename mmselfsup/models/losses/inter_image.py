"""Pairs of images for InterCLR, drawn from a memory bank, and the margins of their similarities.

Xie et al. 2022, "Delving into Inter-Image Invariance for Unsupervised Visual Representations".

Sizes of the results never depend on the data, so that nothing waits for the device: an image with
fewer negatives than asked for has the similarity -inf in the remaining places, which adds nothing
to a softmax. Letters: N queries, L rows of the bank, K negatives of a query, P size of a pool, D
width of a feature.
"""

import math

import torch
from torch import Tensor

from mmselfsup.utils.errors import ArgumentError

from ..utils.precision import full_precision

#: Strategies of sampling negatives, from the most to the least similar.
STRATEGIES = ("hard", "semihard", "random", "semieasy")


@torch.no_grad()
def draw_positives(labels: Tensor, own: Tensor) -> Tensor:
    """Return a random image of the same cluster for each query; its own row is one of them.

    Args:
        labels: Cluster of each row of the bank, [L] (int64).
        own: Rows of the queries, [N] (int64), 0 to L - 1.

    Returns:
        Rows of the bank, [N] (int64).
    """
    same = labels[own][:, None] == labels  # [N, L]
    keys = torch.rand(same.shape, device=labels.device)  # [N, L]
    # The largest of random keys is equally likely any of them.
    return torch.where(same, keys, -1.0).argmax(dim=1)


@torch.no_grad()
def draw_negatives(
    similarity: Tensor, labels: Tensor, own: Tensor, count: int, strategy: str, pool: int
) -> tuple[Tensor, Tensor]:
    """Return images of other clusters for each query, by one of the paper's four strategies.

    ``hard``: the most similar ones. ``semihard``: random ones among the P most similar.
    ``random``: random ones. ``semieasy``: random ones among the P least similar. None twice.

    Args:
        similarity: Similarities of the queries to all rows of the bank, [N, L].
        labels: Cluster of each row of the bank, [L] (int64).
        own: Rows of the queries, [N] (int64), 0 to L - 1.
        count: K; lowered to L, and to P where there is a pool.
        strategy: One of ``STRATEGIES``.
        pool: P, lowered to L.

    Returns:
        Rows of the bank [N, K] (int64), and whether each is a negative [N, K] (bool): False where
        the query has fewer than K.

    Raises:
        ArgumentError: An unknown strategy.
    """
    if strategy not in STRATEGIES:
        raise ArgumentError(f"neg_sampling must be one of {STRATEGIES}, got {strategy!r}")
    other = labels[own][:, None] != labels  # [N, L]
    pool = min(pool, len(labels))
    count = min(count, pool if strategy in ("semihard", "semieasy") else len(labels))
    if strategy == "random":
        keys = torch.rand(similarity.shape, device=similarity.device)  # [N, L], 0 to 1
        keys = torch.where(other, keys, -1.0)
        best, rows = keys.topk(count, dim=1, sorted=False)  # [N, K]
        return rows, best >= 0
    sign = -1.0 if strategy == "semieasy" else 1.0
    ranked = torch.where(other, sign * similarity, -math.inf)  # [N, L]
    if strategy == "hard":
        best, rows = ranked.topk(count, dim=1, sorted=False)  # [N, K]
        return rows, best > -math.inf
    best, rows = ranked.topk(pool, dim=1, sorted=False)  # [N, P]
    keys = torch.where(best > -math.inf, torch.rand_like(best), -1.0)  # [N, P]
    drawn, places = keys.topk(count, dim=1, sorted=False)  # [N, K]
    return rows.gather(1, places), drawn >= 0


def cosine_margin(similarity: Tensor, margin: float) -> Tensor:
    """Return cosines lowered by a margin, of any shape (MarginNCE).

    Args:
        similarity: Cosines of positive pairs, any shape.
        margin: A positive margin asks for more similar positives, a negative one for less.
    """
    return similarity - margin


@full_precision
def angular_margin(similarity: Tensor, margin: float) -> Tensor:
    """Return the cosines of angles enlarged by a margin, of any shape.

    ``cos(angle + margin)``, Deng et al. 2019 (ArcFace), equation 3. Where the sum leaves 0..pi it
    would grow again: there it is the line ``cos(angle) - margin * sin(margin)``, as in ArcFace's
    code and in 0.x.

    Args:
        similarity: Cosines of positive pairs, any shape.
        margin: Margin in radians.
    """
    # The square root has an infinite gradient at an angle of 0.
    sine = (1 - similarity.square()).clamp(min=1e-12).sqrt()
    turned = similarity * math.cos(margin) - sine * math.sin(margin)
    line = similarity - margin * math.sin(margin)
    return torch.where(similarity > math.cos(math.pi - margin), turned, line)
