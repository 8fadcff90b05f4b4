"""Clustering of the features of a data set: k-means and power iteration clustering.

Caron et al. 2018 (DeepCluster), section 4.3 and appendix. Letters: N samples, K clusters, D width.
"""

from typing import Any

import numpy as np
import torch
from mmcv.utils import Registry
from numpy.typing import NDArray

from .device import default_device
from .errors import UserError
from .kmeans import Clusters, faiss_kmeans, torch_kmeans
from .power_iteration import find_maxima_cluster, make_adjacencyW, make_graph, run_pic
from .whitening import preprocess_features

__all__ = [
    "CLUSTERINGS",
    "PIC",
    "Kmeans",
    "find_maxima_cluster",
    "make_adjacencyW",
    "make_graph",
    "preprocess_features",
    "run_kmeans",
    "run_pic",
]

#: Classes that ``clustering=dict(type=...)`` may name.
CLUSTERINGS = Registry("clustering")


def _kmeans(x: NDArray[Any], k: int) -> Clusters:
    """Cluster [N, D] on the GPU where there is one, with a seed from torch's generator."""
    if len(x) < k:
        raise UserError(
            f"{len(x)} images can't make {k} clusters: lower k (and the head's num_classes)"
        )
    seed = int(torch.randint(2**31 - 1, ()))
    x = np.ascontiguousarray(x, dtype=np.float32)
    device = default_device()
    if device.type == "cpu":
        return faiss_kmeans(x, k, seed)
    return torch_kmeans(torch.from_numpy(x).to(device), k, seed)


def run_kmeans(
    x: NDArray[Any], nmb_clusters: int, verbose: bool = False
) -> tuple[list[int], float]:
    """Run k-means with 20 iterations from random samples.

    Args:
        x: [N, D].
        nmb_clusters: K.
        verbose: Print the loss.

    Returns:
        The cluster of each sample, and the sum of squared distances to the centroids.
    """
    clusters = _kmeans(x, nmb_clusters)
    if verbose:
        print(f"k-means loss: {clusters.loss:.6g}")
    return clusters.labels.tolist(), clusters.loss


@CLUSTERINGS.register_module()
class Kmeans:
    """k-means on whitened features of unit length.

    Args:
        k: Number of clusters.
        pca_dim: See ``preprocess_features``.

    Attributes:
        labels: The cluster of each sample, [N] (int64), after ``cluster``.
        centroids: [K, pca_dim], after ``cluster``.
    """

    def __init__(self, k: int, pca_dim: int = 256) -> None:
        self.k, self.pca_dim = k, pca_dim

    def cluster(self, feat: NDArray[Any], verbose: bool = False) -> float:
        """Cluster features [N, D] and return the sum of squared distances to the centroids."""
        clusters = _kmeans(preprocess_features(feat, self.pca_dim), self.k)
        self.labels, self.centroids = clusters.labels, clusters.centroids
        if verbose:
            print(f"k-means loss: {clusters.loss:.6g}")
        return clusters.loss


@CLUSTERINGS.register_module()
class PIC:
    """Power iteration clustering on whitened features of unit length.

    Args:
        args: Not used, as in 0.x.
        sigma: Bandwidth of the edges.
        nnn: Number of nearest neighbours.
        alpha: Probability of a step along an edge.
        distribute_singletons: Move a sample that is a cluster of its own into the cluster of its
            nearest neighbour that is in a larger one.
        pca_dim: See ``preprocess_features``.

    Attributes:
        labels: The cluster of each sample, [N] (int64), after ``cluster``.
        images_lists: The samples of each cluster, after ``cluster``.
    """

    def __init__(
        self,
        args: Any = None,
        sigma: float = 0.2,
        nnn: int = 5,
        alpha: float = 0.001,
        distribute_singletons: bool = True,
        pca_dim: int = 256,
    ) -> None:
        self.sigma, self.nnn, self.alpha = sigma, nnn, alpha
        self.distribute_singletons, self.pca_dim = distribute_singletons, pca_dim

    def cluster(self, data: NDArray[Any], verbose: bool = False) -> int:
        """Cluster features [N, D] and return 0, because this method has no loss."""
        ids, distances = make_graph(preprocess_features(data, self.pca_dim), self.nnn)
        labels = np.asarray(run_pic(ids, distances, self.sigma, self.alpha), dtype=np.int64)
        if self.distribute_singletons:
            labels = _join_singletons(labels, ids)
        self.labels = np.unique(labels, return_inverse=True)[1].astype(np.int64)
        # The samples sorted by cluster, split where the next cluster begins.
        by_cluster = np.argsort(self.labels, kind="stable")
        ends = np.cumsum(np.bincount(self.labels))[:-1]
        self.images_lists = [part.tolist() for part in np.split(by_cluster, ends)]
        if verbose:
            print(f"power iteration clustering: {len(self.images_lists)} clusters")
        return 0


def _join_singletons(labels: NDArray[np.int64], ids: NDArray[Any]) -> NDArray[np.int64]:
    """Return labels in which singletons have joined the nearest neighbour in a larger cluster."""
    single = np.bincount(labels)[labels] == 1  # [N]
    joined = labels.copy()
    for sample in np.flatnonzero(single):
        others = ids[sample, 1:]
        grouped = others[~single[others]]
        if len(grouped):
            joined[sample] = labels[grouped[0]]
    return joined
