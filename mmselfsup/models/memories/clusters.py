"""Operations on labelled features, as pure functions.

Letters: L samples, M some of them, K clusters, D width of a feature.
"""

import warnings

import torch
from torch import Tensor

from ...utils.errors import ArgumentError
from ..utils.class_weights import count_classes
from ..utils.precision import full_precision


def check_labelled(
    features: Tensor, labels: Tensor, shape: tuple[int, ...], num_clusters: int
) -> None:
    """Refuse features and labels that don't fit a memory.

    Raises:
        ArgumentError: The features are not of ``shape`` [L, D], there is not one label for each,
            or a label lies outside 0..K-1.
    """
    found = tuple(features.shape), tuple(labels.shape)
    if found != (shape, shape[:1]):
        raise ArgumentError(f"features and labels {found} don't fit a memory of {shape}")
    if int(labels.min()) < 0 or int(labels.max()) >= num_clusters:
        raise ArgumentError(f"labels must lie in 0..{num_clusters - 1}")


def cluster_sizes(labels: Tensor, num_clusters: int) -> Tensor:
    """Number of samples in each cluster: labels [L] -> [K] (int64)."""
    return count_classes(labels, num_clusters)


def mean_features(features: Tensor, labels: Tensor, centroids: Tensor) -> Tensor:
    """The mean feature of each cluster, [K, D]; an empty one keeps its centroid.

    Args:
        features: [L, D].
        labels: [L], 0..K-1.
        centroids: [K, D], those so far.
    """
    sums = torch.zeros_like(centroids).index_add_(0, labels, features)
    sizes = cluster_sizes(labels, len(centroids))[:, None]  # [K, 1]
    return torch.where(sizes > 0, sums / sizes.clamp(min=1), centroids)


@full_precision
def nearest(features: Tensor, centroids: Tensor) -> Tensor:
    """The centroid of the highest inner product for each feature: [M, D], [K, D] -> [M]."""
    return (features @ centroids.T).argmax(dim=1)


def split_in_two(features: Tensor) -> Tensor:
    """2-means; where it finds one group only, such as for equal features, every other sample.

    Args:
        features: [M, D] with M >= 2.

    Returns:
        Which samples are in the second group, bool [M]; both groups have members.
    """
    from sklearn.cluster import KMeans  # a second to load

    kmeans = KMeans(n_clusters=2, random_state=0, max_iter=20)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # equal features are dealt with below
        groups = kmeans.fit_predict(features.float().cpu().numpy())
    second = torch.as_tensor(groups == 1, device=features.device)
    if bool(second.all()) or not bool(second.any()):
        second = torch.arange(len(features), device=features.device) % 2 == 1
    return second
