"""Operations on features with cluster labels, as pure functions.

Letters: L samples, M some of them, K clusters, D width of a feature.
"""

import warnings

import torch
from torch import Tensor

from mmselfsup.utils.errors import ArgumentError

from ..utils.class_weights import count_classes
from ..utils.precision import full_precision


def check_labelled(
    features: Tensor, labels: Tensor, shape: tuple[int, ...], num_clusters: int
) -> None:
    """Check that features and labels fit a memory.

    Args:
        features: Features of all samples.
        labels: Cluster of each sample.
        shape: Shape of the memory, (L, D).
        num_clusters: K.

    Raises:
        ArgumentError: The features are not of ``shape``, the labels are not of shape [L], or a
            label lies outside 0..K-1.
    """
    shapes = tuple(features.shape), tuple(labels.shape)
    if shapes != (shape, shape[:1]):
        raise ArgumentError(f"features and labels {shapes} don't fit a memory of {shape}")
    if int(labels.min()) < 0 or int(labels.max()) >= num_clusters:
        raise ArgumentError(f"labels must lie in 0..{num_clusters - 1}")


def cluster_sizes(labels: Tensor, num_clusters: int) -> Tensor:
    """Return the number of samples in each cluster, [K] (int64), for labels [L] (int64)."""
    return count_classes(labels, num_clusters)


def mean_features(features: Tensor, labels: Tensor, centroids: Tensor) -> Tensor:
    """Return the mean feature of each cluster; that of an empty one is its current centroid.

    Args:
        features: Features of all samples, [L, D].
        labels: Cluster of each sample, [L] (int64), 0..K-1.
        centroids: Current centroids, [K, D], in the dtype of the features.

    Returns:
        Centroids [K, D], not normalised.
    """
    sums = torch.zeros_like(centroids).index_add_(0, labels, features)  # [K, D]
    sizes = cluster_sizes(labels, len(centroids))[:, None]  # [K, 1]
    return torch.where(sizes > 0, sums / sizes.clamp(min=1), centroids)


@full_precision
def nearest(features: Tensor, centroids: Tensor) -> Tensor:
    """Return the centroid with the highest inner product for each feature, [M] (int64).

    Args:
        features: Features [M, D].
        centroids: Centroids [K, D].
    """
    return (features @ centroids.T).argmax(dim=1)


def split_in_two(features: Tensor) -> Tensor:
    """Split samples into two groups by 2-means.

    Where 2-means finds one group only, such as for equal features, every other sample is taken.

    Args:
        features: Features [M, D] with M >= 2.

    Returns:
        Whether each sample is in the second group, [M] (bool); both groups have members.
    """
    from sklearn.cluster import KMeans  # imported late: it takes a second to load

    # A fixed seed, so that all ranks split a cluster in the same way.
    kmeans = KMeans(n_clusters=2, random_state=0, max_iter=20)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # equal features, which are handled below
        groups = kmeans.fit_predict(features.float().cpu().numpy())
    second = torch.as_tensor(groups == 1, device=features.device)
    if bool(second.all()) or not bool(second.any()):
        second = torch.arange(len(features), device=features.device) % 2 == 1
    return second
