"""Contrastive losses: InfoNCE, and the similarities that each method gives to it.

``info_nce`` takes the similarities of anchors to a positive and to negatives. They come from the
other views of a batch (SimCLR), from a queue of keys (MoCo), from a memory bank (NPID), or from the
places of two feature maps (DenseCL). Each function names its letters.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from mmselfsup.utils.errors import ArgumentError

from ..utils.precision import full_precision


def check_temperature(temperature: float) -> float:
    """Return the divisor of similarities if it is above 0.

    Raises:
        ArgumentError: It is not.
    """
    if temperature <= 0:
        raise ArgumentError(f"temperature must be above 0, got {temperature}")
    return temperature


@full_precision
def info_nce(pos: Tensor, neg: Tensor, temperature: float) -> Tensor:
    """Return the cross entropy of classifying the positive among the negatives.

    The mean over the anchors of ``-log(e^(p/T) / (e^(p/T) + sum_k e^(n_k/T)))``: van den Oord et
    al. 2018, "Representation Learning with Contrastive Predictive Coding", equation 4, with
    similarities divided by a temperature. Letters: N anchors, K negatives of each.

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


@full_precision
def decoupled_info_nce(
    pos: Tensor, neg: Tensor, temperature: float, weights: Tensor | None = None
) -> Tensor:
    """Return InfoNCE without the positive in the denominator.

    Yeh et al. 2022, "Decoupled Contrastive Learning", equations 6 and 7: the mean over the anchors
    of ``-w p/T + log sum_k e^(n_k/T)``. Without the positive, the gradient does not fade for small
    batches. Letters: N anchors, K negatives of each.

    Args:
        pos: Similarity of each anchor to its positive, [N, 1].
        neg: Similarities of each anchor to its negatives, [N, K].
        temperature: Temperature T, above 0.
        weights: Weight w of each positive, [N, 1], see ``mises_fisher_weights``; None for 1.

    Returns:
        A scalar, which may be below 0.
    """
    attraction = pos if weights is None else weights * pos  # [N, 1]
    return (torch.logsumexp(neg / temperature, dim=1) - attraction[:, 0] / temperature).mean()


@torch.no_grad()
@full_precision
def mises_fisher_weights(pos: Tensor, sigma: float) -> Tensor:
    """Return weights that are larger for positives that are far apart.

    Yeh et al. 2022 (DCLW), below equation 7: ``2 - e^(p/sigma) / mean(e^(p/sigma))``. Letters: N
    anchors.

    Args:
        pos: Similarity of each anchor to its positive, [N, 1].
        sigma: Concentration, above 0.

    Returns:
        Weights [N, 1], at most 2, with the mean 1, without gradient.
    """
    return 2 - len(pos) * torch.softmax(pos / sigma, dim=0)


@full_precision
def batch_info_nce(query: Tensor, keys: Tensor, temperature: float, first: int = 0) -> Tensor:
    """Return the cross entropy of finding the key of each query among those of a whole batch.

    Chen et al. 2021 (MoCo v3), algorithm 1, function ``ctr`` without its factor. Letters: N
    queries, M keys, D width of a projection.

    Args:
        query: Queries [N, D], of any length.
        keys: Keys [M, D], of any length; row ``first + i`` belongs to query i.
        temperature: Divisor of the cosines, above 0.
        first: Row of the key of query 0.

    Returns:
        A scalar, at least 0: the mean over the queries.
    """
    cosine = F.normalize(query, dim=1) @ F.normalize(keys, dim=1).T  # [N, M]
    positive_at = torch.arange(first, first + len(query), device=query.device)  # [N]
    return F.cross_entropy(cosine / temperature, positive_at)


@full_precision
def supervised_contrastive(
    z: Tensor, labels: Tensor, temperature: float, balanced: bool = False
) -> Tensor:
    """Return the contrastive loss whose positives are all views of the anchor's class.

    Khosla et al. 2020, "Supervised Contrastive Learning", equation 2 (L_out): the mean over the
    anchors i of ``-1/|P(i)| sum_(p in P(i)) log(e^(z_i z_p / T) / sum_(a != i) e^(z_i z_a / T))``.
    Letters: N images of two views each, D width of a projection.

    Args:
        z: Projections [2N, D], L2-normalised; rows 2i and 2i + 1 are the views of image i.
        labels: Classes of the images [N] (int64); -1 where none is known: such an image has its
            other view as its only positive, as in SimCLR.
        temperature: Temperature T, above 0.
        balanced: Average the denominator within each class first, so that frequent classes do not
            outweigh rare ones (class averaging, Zhu et al. 2022, "Balanced Contrastive Learning for
            Long-Tailed Visual Recognition", equation 4 without its prototypes). Images without
            label count as classes of their own.

    Returns:
        A scalar.
    """
    rows = z.shape[0]
    image = torch.arange(rows, device=z.device) // 2  # [2N]
    # Unknown classes become numbers that no other image has.
    group = torch.where(labels >= 0, labels, -1 - torch.arange(len(labels), device=z.device))
    group = group[image]  # [2N]
    same = group[:, None] == group  # [2N, 2N]
    itself = torch.eye(rows, dtype=torch.bool, device=z.device)
    logits = (z @ z.T / temperature).masked_fill(itself, float("-inf"))  # [2N, 2N]
    if balanced:
        size = (same & ~itself).sum(dim=1)  # [2N], of the column's group without the anchor itself
        members = torch.where(same, size, size + 1).clamp(min=1)  # [2N, 2N]
        log_all = torch.logsumexp(
            logits - members.to(logits.dtype).log(), dim=1, keepdim=True
        )  # [2N, 1]
    else:
        log_all = torch.logsumexp(logits, dim=1, keepdim=True)
    positives = same & ~itself
    shares = (logits - log_all).masked_fill(~positives, 0.0).sum(dim=1)  # [2N]
    return -(shares / positives.sum(dim=1)).mean()


@full_precision
def pair_similarities(
    z: Tensor, every: Tensor | None = None, first: int = 0
) -> tuple[Tensor, Tensor]:
    """Return the similarities of each view to its partner and to all views of other images.

    Chen et al. 2020 (SimCLR), equation 1 before the temperature: dot products of unit vectors.
    Letters: N images of two views each, M images of the joined batch, D width of a projection.

    Args:
        z: Projections [2N, D], L2-normalised; rows 2i and 2i + 1 are the views of image i.
        every: Those of the joined batch, [2M, D], of which ``z`` is a part; None for ``z`` itself.
        first: Row of ``every`` at which ``z`` begins, even.

    Returns:
        Similarities to the positives [2N, 1] and to the negatives [2N, 2M - 2], in -1..1.

    Raises:
        ArgumentError: An odd number of rows, or fewer than two images, which leaves no negative.
    """
    every = z if every is None else every
    if len(z) % 2 or len(every) < 4:
        raise ArgumentError(
            f"NT-Xent needs two views of at least two images, got {len(every)} rows: use a larger "
            "batch, and data.drop_last=True where the last one is too small"
        )
    similarity = z @ every.T  # [2N, 2M]
    row = torch.arange(first, first + len(z), device=z.device)[:, None]  # [2N, 1]
    # row ^ 1 is the row's partner: rows 2i and 2i + 1 differ in the last bit.
    pos = similarity.gather(1, row ^ 1)
    return pos, _OtherImages.apply(similarity, row - row % 2)  # type: ignore[no-untyped-call]


class _OtherImages(torch.autograd.Function):
    """The columns of each row without the two of its own image.

    The size of a boolean mask's result is known only to the device, and an index of each value
    takes twice the memory of the values: here each value comes from its own place or from two
    places to the right of it, and nothing of the size of the matrix is kept for the gradient.
    """

    @staticmethod
    def forward(ctx: Any, similarity: Tensor, own: Tensor) -> Tensor:
        """Return [2N, 2M - 2]; ``own`` [2N, 1] is the first column of each row's image."""
        ctx.save_for_backward(own)
        return torch.where(_before(own, similarity), similarity[:, :-2], similarity[:, 2:])

    @staticmethod
    @once_differentiable  # type: ignore[untyped-decorator]
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        (own,) = ctx.saved_tensors
        result = grad.new_zeros(len(grad), grad.shape[1] + 2)
        before = _before(own, result)
        # From the right to the left, so that no place is written after it was added to.
        result[:, 2:] = grad.masked_fill(before, 0)
        result[:, :-2] += grad.masked_fill(~before, 0)
        return result, None


def _before(own: Tensor, similarity: Tensor) -> Tensor:
    """Return which of the 2M - 2 columns stand before those of the row's image, [2N, 2M - 2]."""
    return torch.arange(similarity.shape[1] - 2, device=own.device)[None] < own


@full_precision
def queue_similarities(query: Tensor, key: Tensor, queue: Tensor) -> tuple[Tensor, Tensor]:
    """Return the similarities of each query to its own key and to every key in the queue.

    He et al. 2020 (MoCo), equation 1 before the temperature: dot products of unit vectors.
    Letters: N queries, K keys in the queue, D width of a key.

    Args:
        query: Queries [N, D], L2-normalised.
        key: Keys [N, D], L2-normalised; row i belongs to query i.
        queue: Older keys [D, K], columns L2-normalised. Pass a copy of a queue that is overwritten
            before the backward pass, which reads it again.

    Returns:
        Similarities to the positives [N, 1] and to the negatives [N, K], in -1..1.
    """
    return (query * key).sum(dim=1, keepdim=True), query @ queue


@full_precision
def sampled_similarities(
    feature: Tensor, bank: Tensor, pos_idx: Tensor, neg_idx: Tensor
) -> tuple[Tensor, Tensor]:
    """Return the similarities of each feature to its own row and to the rows drawn for it.

    Wu et al. 2018 (NPID), the products ``v_j . v`` of equation 2 before the temperature.
    Letters: N images, K negatives drawn for each, L rows of the bank, D width of a feature.

    Args:
        feature: Features [N, D], rows of unit length.
        bank: Memory bank [L, D], rows of unit length; converted to the dtype of the features.
        pos_idx: Index of each image's own row, [N] (int64), 0 to L - 1.
        neg_idx: Indices of the drawn rows, [N, K] (int64), 0 to L - 1.

    Returns:
        Similarities to the positive [N, 1] and to the negatives [N, K], in -1..1.
    """
    return drawn_similarities(feature @ bank.T.to(feature.dtype), pos_idx, neg_idx)


def drawn_similarities(
    similarity: Tensor, pos_idx: Tensor, neg_idx: Tensor
) -> tuple[Tensor, Tensor]:
    """Return the same as ``sampled_similarities``, of the similarities [N, L] to the whole bank."""
    # One product with the whole bank, then a look-up: gathering the drawn rows, N x K x D numbers,
    # would take more memory than the N x L products for any bank that fits a device.
    return similarity.gather(1, pos_idx[:, None]), similarity.gather(1, neg_idx)


@torch.no_grad()
@full_precision
def dense_matches(first: Tensor, second: Tensor) -> Tensor:
    """Return the most similar place of the second view for each place of the first view.

    Wang et al. 2021 (DenseCL), equation 3: the largest cosine between the features of the
    backbones. An argmax has no gradient. Letters: N images, C channels, L places of a map.

    Args:
        first: Features of the first view, [N, C, L].
        second: Features of the second view of the same images, [N, C, L].

    Returns:
        Places in the second view, [N, L] (int64), 0 to L - 1.
    """
    unit = F.normalize(first, dim=1), F.normalize(second, dim=1)  # [N, C, L] each
    return torch.einsum("nci,ncj->nij", *unit).argmax(dim=2)


def take_places(grid: Tensor, places: Tensor) -> Tensor:
    """Return the vectors of ``grid`` at ``places``.

    Letters: N images, D width of a vector, L places of a map.

    Args:
        grid: Vectors of each place, [N, D, L].
        places: Indices of places, [N, L] (int64), 0 to L - 1, from ``dense_matches``.

    Returns:
        Vectors [N, D, L]: at place i those of ``grid`` at ``places[:, i]``.
    """
    return grid.gather(2, places[:, None].expand(-1, grid.shape[1], -1))
