"""A weighted k-NN classifier on frozen features.

Wu et al. 2018, "Unsupervised Feature Learning via Non-Parametric Instance Discrimination",
section 3.4.

Letters: M training samples, N test samples, D width, C classes, B test samples at a time.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

#: Number of similarities in memory at a time: 64 MiB of float32.
_MAX_SIMILARITIES = 2**24
#: Training samples that are compared at a time: a product of a few tests with many is slow.
_MAX_TRAIN = 2**15
#: Such a part is worth it where it has this many times the neighbours; otherwise all are ranked at
#: once, as the neighbours of the parts would take more memory than the similarities.
_MIN_SHARE = 32


@torch.no_grad()
def knn_votes(
    train_features: Tensor,
    train_labels: Tensor,
    test_features: Tensor,
    ks: Sequence[int],
    temperature: float,
    num_classes: int,
) -> dict[int, Tensor]:
    """Return the votes of the k most similar training samples, weighted by exp(similarity / T).

    Args:
        train_features: Features [M, D]; with unit length the similarity is the cosine.
        train_labels: Class of each training sample, [M], 0 to C - 1.
        test_features: Features [N, D], on the same device.
        ks: Numbers of neighbours, each 1 to M; they are ranked once for all.
        temperature: T, above 0.
        num_classes: C.

    Returns:
        For each k the fraction of the votes for each class, [N, C], float32; rows sum to 1.

    Raises:
        ValueError: A k is not in 1 to M, T is not above 0, or the test set is empty.
    """
    num_train = len(train_features)
    if not ks or min(ks) < 1 or max(ks) > num_train:
        raise ValueError(f"k must lie in 1..{num_train}, the training samples, got {list(ks)}")
    if temperature <= 0:
        raise ValueError(f"the temperature must be above 0, got {temperature}")
    if len(test_features) == 0:
        raise ValueError("the test set is empty")
    gallery, labels = train_features.float(), train_labels.long()  # [M, D], [M]
    votes: dict[int, list[Tensor]] = {k: [] for k in ks}
    part = num_train if _MIN_SHARE * max(ks) > _MAX_TRAIN else min(num_train, _MAX_TRAIN)
    for queries in test_features.float().split(max(1, _MAX_SIMILARITIES // part)):
        similar, index = _nearest(queries, gallery, max(ks), part)  # [B, max k]
        classes = labels[index]  # [B, max k]
        # Only the ratios of the weights matter. Relative to the nearest sample they lie in 0..1,
        # where exp doesn't overflow for a small T.
        weights = ((similar - similar[:, :1]) / temperature).exp()  # [B, max k]
        for k, chunks in votes.items():
            sums = weights.new_zeros(len(queries), num_classes)  # [B, C]
            sums.scatter_add_(1, classes[:, :k], weights[:, :k])
            chunks.append(sums / sums.sum(dim=1, keepdim=True))
    return {k: torch.cat(chunks) for k, chunks in votes.items()}


def _nearest(queries: Tensor, gallery: Tensor, k: int, size: int) -> tuple[Tensor, Tensor]:
    """Return the k largest products of queries [B, D] with a gallery [M, D], and their rows.

    Both are [B, k], by decreasing product. Of equal products at the border any may be taken. The
    gallery is compared in parts of ``size`` rows.
    """
    values, rows = queries.new_empty(len(queries), 0), queries.new_empty(len(queries), 0).long()
    for start in range(0, len(gallery), size):
        part = gallery[start : start + size]  # [up to size, D]
        # Without a name for the products, those of one part are freed before the next.
        part_values, part_rows = _largest(queries @ part.t(), min(k, len(part)))
        values = torch.cat((values, part_values), dim=1)  # [B, up to 2k]
        rows = torch.cat((rows, part_rows + start), dim=1)
        values, order = values.topk(min(k, values.shape[1]), dim=1)
        rows = rows.gather(1, order)
    return values, rows


def _largest(values: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Return the k largest values of each row [B, M] and their columns, as ``topk`` does.

    The columns are dealt into groups. A group with one of the k largest values is among the k
    groups with the largest maxima, as each of these has a value at least as large. The maxima take
    one fast pass; then two short lists are ranked instead of a long one.
    """
    columns = values.shape[1]
    # The lists have M / size and k * size entries; passing over the values is fast, ranking slow.
    size = round(0.7 * math.sqrt(columns / k))
    if size < 2:
        return values.topk(k, dim=1)
    groups = columns // size
    dealt = values[:, : size * groups].unflatten(1, (size, groups))  # [B, size, groups]
    best = dealt.amax(dim=1).topk(k, dim=1, sorted=False).indices  # [B, k]
    firsts = groups * torch.arange(size, device=values.device)  # column of each row of the deal
    rest = torch.arange(size * groups, columns, device=values.device)  # fewer than size
    taken = (best[:, None] + firsts[:, None]).flatten(1)  # [B, size * k]
    taken = torch.cat((taken, rest.expand(len(values), -1)), dim=1)
    found, places = values.gather(1, taken).topk(k, dim=1)
    return found, taken.gather(1, places)


def knn_classifier(
    train_features: Tensor,
    train_labels: Tensor,
    test_features: Tensor,
    test_labels: Tensor,
    k: int,
    T: float,
    num_classes: int = 1000,
) -> tuple[float, float]:
    """Return the accuracy of a weighted k-NN classifier.

    Difference from 0.x: it failed with fewer than 100 test samples and overflowed where
    similarity / T is above 88.

    Args:
        train_features: Features [M, D], see ``knn_votes``.
        train_labels: Class of each training sample, [M], 0 to C - 1.
        test_features: Features [N, D], on the same device.
        test_labels: Class of each test sample, [N].
        k: Number of neighbours, 1 to M.
        T: Temperature of the votes, above 0.
        num_classes: C.

    Returns:
        Top-1 and top-5 accuracy in percent; with fewer than 5 neighbours or classes, top-k or top-C
        instead of top-5.

    Raises:
        ValueError: See ``knn_votes``.
    """
    votes = knn_votes(train_features, train_labels, test_features, [k], T, num_classes)[k]
    ranking = votes.sort(dim=1, descending=True).indices  # [N, C]
    hits = ranking.eq(test_labels.view(-1, 1).to(ranking.device))  # [N, C]
    num_test = len(test_features)
    top1, top5 = int(hits[:, 0].sum()), int(hits[:, : min(5, k)].sum())
    return 100.0 * top1 / num_test, 100.0 * top5 / num_test
