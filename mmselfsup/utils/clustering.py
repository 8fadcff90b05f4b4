"""Clustering of the features of a data set: k-means and power iteration clustering.

Caron et al. 2018 (DeepCluster), section 4.3 and appendix.

Features are whitened first. K-means runs in faiss on the CPU and in torch on a GPU, both with a
progress bar. Power iteration clustering (Lin and Cohen 2010, in the form of Douze et al. 2018)
clusters the nodes of a nearest-neighbour graph by the maxima of a stationary distribution; the
number of clusters follows from the data.

Letters: N samples, K clusters, D width, M neighbours.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np
import torch
from mmcv.utils import Registry
from numpy.typing import NDArray
from torch import Tensor

from .device import default_device
from .errors import ArgumentError, UserError
from .progress import progress

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
    "spherical_kmeans",
]


#: Classes that ``clustering=dict(type=...)`` may name.
CLUSTERINGS = Registry("clustering")
NUM_ITERS = 20  # as in DeepCluster
_NUM_SCORES = 2**26  # scores of samples against centroids in memory at a time: 256 MiB
_NUM_ITERS = 200
_CHUNK = 1024  # rows of the distance matrix in memory at a time
_EPS = 1e-10
_PART = 2**23  # numbers of the features on the device at a time: 32 MiB


def _load_faiss() -> Any:
    """Return the module ``faiss``, or what has been put into its place in this module."""
    return globals().get("faiss") or import_module("faiss")


def __getattr__(name: str) -> Any:
    """Load ``faiss``, which 0.x had in this module, at first use: only two methods need it."""
    if name != "faiss":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return _load_faiss()


@dataclass(frozen=True)
class Clusters:
    """The result of k-means.

    Attributes:
        labels: Nearest centroid of each sample, [N] (int64).
        centroids: [K, D] (float32).
        loss: Sum of the squared distances of the samples to their centroids.
    """

    labels: NDArray[np.int64]
    centroids: NDArray[np.float32]
    loss: float


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
        """Cluster features [N, D] and return the sum of squared distances to the centroids.

        Raises:
            ArgumentError: ``feat`` is no matrix of float32.
        """
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


def faiss_kmeans(x: NDArray[np.float32], k: int, seed: int) -> Clusters:
    """Run the k-means of faiss on [N, D]; an empty cluster is refilled by splitting a large one."""
    faiss = _load_faiss()
    centroids: Any = None
    for _ in progress(range(NUM_ITERS), desc="k-means", leave=False, delay=2.0):
        # One iteration per call, so that the progress bar moves.
        step = faiss.Kmeans(
            x.shape[1],
            k,
            niter=1,
            seed=seed,
            min_points_per_centroid=1,
            max_points_per_centroid=len(x),
        )
        step.train(x, init_centroids=centroids)
        centroids = step.centroids
    distances, labels = step.index.search(x, 1)  # [N, 1] each
    return Clusters(labels[:, 0].astype(np.int64), centroids, float(distances.sum()))


def nearest_centroids(x: Tensor, centroids: Tensor) -> tuple[Tensor, Tensor]:
    """Return the nearest centroid of each sample.

    Args:
        x: [N, D].
        centroids: [K, D].

    Returns:
        The index of the centroid [N], and the squared distance [N].
    """
    # |x - c|^2 = |x|^2 - 2 (x c - |c|^2 / 2): the nearest centroid has the largest bracket.
    half_norms = centroids.square().sum(dim=1) / 2  # [K]
    labels, scores = [], []
    for part in x.split(max(1, _NUM_SCORES // len(centroids))):
        score, label = (part @ centroids.T - half_norms).max(dim=1)
        labels.append(label)
        scores.append(score)
    distances = x.square().sum(dim=1) - 2 * torch.cat(scores)
    return torch.cat(labels), distances.clamp(min=0)  # rounding can make them negative


def torch_kmeans(x: Tensor, k: int, seed: int) -> Clusters:
    """Run k-means on the device of ``x`` [N, D]; an empty cluster takes the farthest sample."""
    generator = torch.Generator().manual_seed(seed)
    # A generator of the CPU, so that a seed means the same samples on every device.
    first = torch.randperm(len(x), generator=generator)[:k]
    centroids = x[first.to(x.device)]  # [K, D]
    for _ in progress(range(NUM_ITERS), desc="k-means", leave=False, delay=2.0):
        labels, distances = nearest_centroids(x, centroids)
        sizes = torch.bincount(labels, minlength=k)[:, None]  # [K, 1]
        sums = torch.zeros_like(centroids).index_add_(0, labels, x)
        centroids = sums / sizes.clamp(min=1)
        empty = torch.nonzero(sizes[:, 0] == 0).flatten()
        centroids[empty] = x[distances.topk(len(empty)).indices]
    labels, distances = nearest_centroids(x, centroids)
    return Clusters(labels.cpu().numpy(), centroids.cpu().numpy(), float(distances.sum()))


def spherical_kmeans(x: Tensor, k: int, seed: int, num_iters: int) -> tuple[Tensor, Tensor]:
    """Cluster vectors by their cosines with centroids of unit length.

    An empty cluster keeps its centroid. Start: k random samples.

    Args:
        x: Vectors of unit length, [N, D], N at least ``k``.
        k: K.
        seed: Seed of the samples, the same ones on every device.
        num_iters: Iterations, at least 1.

    Returns:
        The cluster of each vector [N] (int64), and the centroids [K, D].
    """
    generator = torch.Generator().manual_seed(seed)
    centroids = x[torch.randperm(len(x), generator=generator)[:k].to(x.device)].clone()  # [K, D]
    for _ in progress(range(num_iters), desc="k-means", leave=False, delay=2.0):
        # The nearest unit vector is the one with the largest cosine.
        labels, _ = nearest_centroids(x, centroids)
        sums = torch.zeros_like(centroids).index_add_(0, labels, x)
        filled = torch.bincount(labels, minlength=k) > 0
        centroids[filled] = torch.nn.functional.normalize(sums[filled], dim=1)
    return nearest_centroids(x, centroids)[0], centroids


def make_graph(xb: NDArray[np.float32], nnn: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Return the nearest neighbours of every sample, itself first.

    Args:
        xb: [N, D].
        nnn: Number of neighbours beside the sample itself.

    Returns:
        Their indices and squared distances, both [N, nnn + 1], nearest first.
    """
    device = default_device()
    if device.type == "cpu":
        index = _load_faiss().IndexFlatL2(xb.shape[1])
        index.add(xb)
        distances, indices = index.search(xb, nnn + 1)
        return indices, distances
    x = torch.from_numpy(xb).to(device)
    parts = [torch.cdist(rows, x).topk(nnn + 1, largest=False) for rows in x.split(_CHUNK)]
    near = torch.cat([part.values for part in parts]).square()
    return torch.cat([part.indices for part in parts]).cpu().numpy(), near.cpu().numpy()


def make_adjacencyW(ids: NDArray[Any], distances: NDArray[Any], sigma: float) -> Any:
    """Return the sparse matrix [N, N] of exp(-distance / sigma^2) to the neighbours.

    Args:
        ids: [N, 1 + M], neighbours of each sample; the first column, the sample itself, is left
            out.
        distances: [N, 1 + M], squared distances.
        sigma: Bandwidth, above 0.
    """
    from scipy.sparse import csr_matrix  # slow to load

    num, width = ids.shape
    starts = (width - 1) * np.arange(num + 1)
    weights = np.exp(-distances[:, 1:].ravel() / sigma**2)
    return csr_matrix((weights, ids[:, 1:].ravel(), starts), shape=(num, num))


def find_maxima_cluster(W: Any, v: NDArray[Any]) -> NDArray[np.float64]:
    """Climb from each node to a local maximum of ``v``; nodes with one maximum are a cluster.

    A node steps to the neighbour with the largest weight times rise, and stays where none rises.

    Args:
        W: Sparse matrix [N, N] in csr format.
        v: Height of each node, [N].

    Returns:
        Index of the cluster of each node, [N], in the order of the maxima.
    """
    num = W.shape[0]
    sources = np.repeat(np.arange(num), np.diff(W.indptr))
    rise = W.data * (v[W.indices] - v[sources])
    order = np.lexsort((np.arange(len(rise)), -rise, sources))  # ties: the first
    first = np.unique(sources[order], return_index=True)
    steepest = order[first[1]]
    goes_up = rise[steepest] > 0
    step = np.arange(num)
    step[first[0][goes_up]] = W.indices[steepest[goes_up]]
    while not np.array_equal(step[step], step):
        step = step[step]  # doubles the length of the path
    return np.unique(step, return_inverse=True)[1].astype(np.float64)


def run_pic(ids: NDArray[Any], distances: NDArray[Any], sigma: float, alpha: float) -> list[int]:
    """Cluster the nodes of a nearest-neighbour graph.

    Args:
        ids, distances: As ``make_graph`` returns them.
        sigma: Bandwidth of the edges.
        alpha: Probability of a step along an edge; the other steps go to any node.

    Returns:
        The cluster of each node.
    """
    graph = make_adjacencyW(ids, distances, sigma)
    graph = (graph + graph.transpose()).tocsr()  # symmetric
    num = graph.shape[0]
    v = np.full(num, 1 / num, dtype=np.float32)
    for _ in progress(range(_NUM_ITERS), desc="power iteration", leave=False, delay=2.0):
        v = alpha * graph.dot(v).astype(np.float32) + (1 - alpha) / num
        v /= v.sum()
    return [int(cluster) for cluster in find_maxima_cluster(graph, v)]


def preprocess_features(npdata: NDArray[Any], pca: int) -> NDArray[np.float32]:
    """Whiten by a principal component analysis, then scale every row to length 1.

    Args:
        npdata: Features [N, D], float32.
        pca: Number of components; -1 omits the analysis.

    Returns:
        [N, pca], or [N, D] with ``pca=-1``.

    Raises:
        ArgumentError: ``npdata`` is no matrix of float32. As in 0.x it is not converted, because a
            copy would double the memory without notice.
        UserError: There are more components than images or features, or features that are not
            finite.
    """
    if not isinstance(npdata, np.ndarray) or npdata.ndim != 2:
        raise ArgumentError(f"features must be an array [N, D], got {type(npdata).__name__}")
    if npdata.dtype != np.float32:
        raise ArgumentError(f"features must be float32, got {npdata.dtype}: astype(np.float32)")
    parts = _Parts(npdata, default_device())
    if not all(bool(torch.isfinite(part).all()) for _, part in parts):
        raise UserError("clustering: the features are not finite; lower optimizer.lr")
    mean, basis = None, None
    if pca != -1:
        if not 1 <= pca <= min(npdata.shape):
            raise UserError(
                f"clustering.pca_dim={pca} needs at least as many images and features, there are "
                f"{npdata.shape[0]} images with {npdata.shape[1]} features: lower pca_dim, or -1 "
                "for none"
            )
        mean, basis = _whitening(parts, len(npdata), pca)
    result = np.empty((len(npdata), npdata.shape[1] if pca == -1 else pca), np.float32)
    for rows, part in parts:
        if mean is not None and basis is not None:
            part = (part - mean) @ basis  # [n, pca]
        part = part / part.norm(dim=1, keepdim=True).clamp(min=_EPS)
        result[rows] = part.cpu().numpy()
    return result


class _Parts:
    """The rows of a matrix in parts on a device; each pass yields a slice and its rows, [n, D]."""

    def __init__(self, matrix: NDArray[np.float32], device: torch.device) -> None:
        self._matrix, self._device = matrix, device
        self._rows = max(1, _PART // max(1, matrix.shape[1]))

    def __iter__(self) -> Iterator[tuple[slice, Tensor]]:
        for first in range(0, len(self._matrix), self._rows):
            rows = slice(first, first + self._rows)
            part = np.ascontiguousarray(self._matrix[rows])
            yield rows, torch.from_numpy(part).to(self._device)


def _whitening(parts: _Parts, length: int, pca: int) -> tuple[Tensor, Tensor]:
    """Return the mean [1, D] and the matrix [D, pca] that whitens, from sums over all parts.

    The sums are of float64: those of a million numbers of float32 lose digits.
    """
    total = sum(part.sum(dim=0, keepdim=True, dtype=torch.float64) for _, part in parts)
    assert isinstance(total, Tensor)
    mean = (total / length).float()  # [1, D]
    covariance = torch.zeros(mean.shape[1], mean.shape[1], dtype=torch.float64, device=mean.device)
    for _, part in parts:
        centred = part - mean
        covariance += centred.T @ centred  # [D, D]
    values, vectors = torch.linalg.eigh(covariance / length)  # ascending: [D], [D, D]
    # The clamp limits the factor of components without variance.
    basis = vectors[:, -pca:] / values[-pca:].clamp(min=_EPS).sqrt()
    return mean, basis.float()
