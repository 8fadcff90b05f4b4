"""A weighted k-NN classifier on frozen features.

Wu et al. 2018, "Unsupervised Feature Learning via Non-Parametric Instance Discrimination",
section 3.4.

Letters: M training samples, N test samples, D width, C classes, B test samples at a time.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

#: Number of similarities in memory at a time: 64 MiB of float32.
_MAX_SIMILARITIES = 2**24


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
    gallery, labels = train_features.float().t(), train_labels.long()  # [D, M], [M]
    votes: dict[int, list[Tensor]] = {k: [] for k in ks}
    for queries in test_features.float().split(max(1, _MAX_SIMILARITIES // num_train)):
        similar, index = (queries @ gallery).topk(max(ks), dim=1)  # [B, max k], descending
        classes = labels[index]  # [B, max k]
        # Only the ratios of the weights matter. Relative to the nearest sample they lie in 0..1,
        # where exp doesn't overflow for a small T.
        weights = ((similar - similar[:, :1]) / temperature).exp()  # [B, max k]
        for k, chunks in votes.items():
            sums = weights.new_zeros(len(queries), num_classes)  # [B, C]
            sums.scatter_add_(1, classes[:, :k], weights[:, :k])
            chunks.append(sums / sums.sum(dim=1, keepdim=True))
    return {k: torch.cat(chunks) for k, chunks in votes.items()}


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
