"""The memories of ODC: Zhan et al. 2020, "Online Deep Clustering ...", CVPR, section 3.

The operations on features with cluster labels are pure functions below the class.

Letters: L images, N images of this process, R processes, K clusters, D width of a feature, M some
of the L images.
"""

import warnings
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from mmselfsup.utils import dist
from mmselfsup.utils.data_info import DataInfo
from mmselfsup.utils.errors import ArgumentError, UserError
from mmselfsup.utils.logger import get_root_logger

from ..builder import MEMORIES
from ..losses.classification import count_classes
from ..utils.precision import full_precision
from .base import FeatureBank


@MEMORIES.register_module()
class ODCMemory(FeatureBank):
    """The samples memory (features and labels) and the centroids memory.

    Args:
        length: L, the number of training images; None takes it from the data.
        feat_dim: D.
        momentum: Coefficient of the new feature in the samples memory, 0 to 1.
        num_classes: K.
        min_cluster: Number of samples below which a cluster is small: small clusters are emptied
            and refilled.
        debug: Whether to log how many clusters were small.
        **kwargs: Ignored, as in 0.x.

    Attributes:
        feature_bank: Features of unit length, [L, D] (float32).
        label_bank: Cluster of each image, [L] (int64), 0..K-1.
        centroids: Mean feature of each cluster, [K, D] (float32).
        initialized: Whether ``init_memory`` or a checkpoint has filled the memories.

    Raises:
        ArgumentError: See ``FeatureBank``.

    Difference from 0.x: all memories are buffers, equal on all ranks. For an image that was drawn
    twice in a batch only its last feature is used.
    """

    label_bank: Tensor
    centroids: Tensor

    def __init__(
        self,
        length: int | None = None,
        feat_dim: int = 256,
        momentum: float = 0.5,
        num_classes: int = 10000,
        min_cluster: int = 20,
        debug: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(length, feat_dim, momentum)
        self.num_classes, self.min_cluster, self.debug = num_classes, min_cluster, debug
        self.initialized = False
        self.register_buffer("label_bank", torch.zeros(length or 0, dtype=torch.long))  # [L]
        self.register_buffer("centroids", torch.zeros(num_classes, feat_dim))  # [K, D]

    def first_rows(self, length: int) -> Tensor:
        """Return zeros, [length, D]: an empty memory."""
        return torch.zeros(length, self.feat_dim)

    def fit_dataset(self, size: DataInfo) -> None:
        """Take the length from the training data, or check the given one.

        Raises:
            UserError: The given length is not the number of images, or the images are too few for
                K clusters of ``min_cluster`` samples.
        """
        super().fit_dataset(size)
        if size.num_images < self.num_classes * max(self.min_cluster, 1):
            raise UserError(
                f"{size.num_images} training images can't fill {self.num_classes} clusters of at "
                f"least {self.min_cluster}: lower min_cluster, or the number of clusters "
                "(num_classes of model or head and of memory_bank, k of the clustering)"
            )

    def allocate(self, length: int) -> None:
        """Create the buffers for ``length`` images, unless they have that length already."""
        super().allocate(length)
        if len(self.label_bank) != length:
            self.label_bank = self.label_bank.new_zeros(length)

    @torch.no_grad()
    def init_memory(self, feature: Any, label: Any) -> None:
        """Fill all memories from a clustering of the whole data set; no cluster stays empty.

        All ranks must call it; the result is that of the first rank.

        Args:
            feature: Features of all images, [L, D], an array or a tensor.
            label: Cluster of each image, [L], 0..K-1, an array or a tensor.

        Raises:
            ArgumentError: Features and labels don't fit the memory, see ``check_labelled``.
        """
        rows, labels = torch.as_tensor(feature), torch.as_tensor(label)
        check_labelled(rows, labels, tuple(self.feature_bank.shape), self.num_classes)
        self.label_bank.copy_(labels)
        self.feature_bank.copy_(F.normalize(rows.to(self.feature_bank), dim=1))
        self.update_centroids_memory()
        sizes = cluster_sizes(self.label_bank, self.num_classes)
        self._refill(torch.nonzero(sizes == 0).flatten().tolist())
        self.synchronise()
        self.initialized = True

    @torch.no_grad()
    def update_samples_memory(self, ind: Tensor, feature: Tensor) -> Tensor:
        """Blend features into the samples memory and give their images the nearest centroid.

        Args:
            ind: Indices of the images, [N] (int64), 0 to L - 1.
            feature: Features of any length, [N, D].

        Returns:
            Fraction of the joined batch whose label has changed, 0 to 1, a scalar on the device.

        Raises:
            ArgumentError: The memory is empty.
        """
        if not self.initialized:
            raise ArgumentError("the memory is empty: fill it with init_memory first")
        ind, rows = self.blend(ind, feature)  # [RN], [RN, D]
        labels = nearest(rows, self.centroids)  # [RN]
        change_ratio = (labels != self.label_bank[ind]).to(rows.dtype).mean()
        self.label_bank[ind] = labels
        return change_ratio

    @torch.no_grad()
    def update_centroids_memory(self, cinds: list[int] | None = None) -> None:
        """Set centroids to the mean features of their clusters.

        Args:
            cinds: Clusters to update, none of them empty; None updates all that are not empty, and
                then all ranks must call it.
        """
        if cinds is None:
            means = mean_features(self.feature_bank, self.label_bank, self.centroids)
            # GPUs add floats in any order, so the ranks' sums differ in their last digits; labels
            # must be equal on all ranks.
            self.centroids.copy_(dist.broadcast(means))
            return
        for cluster in cinds:
            self.centroids[cluster] = self.feature_bank[self.label_bank == cluster].mean(dim=0)

    @torch.no_grad()
    def deal_with_small_clusters(self) -> None:
        """Move the samples of small clusters to the nearest others, then refill the small ones.

        This waits for the device, because the small clusters must be known on the CPU.
        """
        sizes = cluster_sizes(self.label_bank, self.num_classes)
        small = torch.nonzero(sizes < self.min_cluster).flatten().tolist()
        if self.debug:
            get_root_logger().info("%d of %d clusters are small", len(small), self.num_classes)
        if not small or len(small) == self.num_classes:
            return  # nothing to move, or no large cluster to move it to
        large = torch.nonzero(sizes >= self.min_cluster).flatten()
        moved = torch.nonzero(sizes[self.label_bank] < self.min_cluster).flatten()
        self.label_bank[moved] = large[nearest(self.feature_bank[moved], self.centroids[large])]
        self._refill(small)

    def _refill(self, empty: list[int]) -> None:
        """Split the largest cluster for each empty one, and update the centroids of both."""
        # One after the other: each split changes which cluster is the largest.
        for cluster in empty:
            largest = int(cluster_sizes(self.label_bank, self.num_classes).argmax())
            members = torch.nonzero(self.label_bank == largest).flatten()
            second = members[split_in_two(self.feature_bank[members])]
            self.label_bank[second] = cluster
            self.update_centroids_memory([largest, cluster])

    def _load_from_state_dict(self, state_dict: Any, prefix: str, *args: Any) -> None:
        super()._load_from_state_dict(state_dict, prefix, *args)
        # ``initialized`` is no buffer: memories that were never filled have zeros as centroids.
        if f"{prefix}label_bank" in state_dict:
            self.initialized = bool(self.centroids.any())


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
