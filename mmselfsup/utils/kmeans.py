"""k-means: faiss on the CPU, torch on a GPU; both with a progress bar.

Letters: N samples, K clusters, D width of a feature.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .progress import progress

NUM_ITERS = 20  # as in DeepCluster
_NUM_SCORES = 2**26  # scores of samples against centroids in memory at a time: 256 MiB


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


def faiss_kmeans(x: NDArray[np.float32], k: int, seed: int) -> Clusters:
    """Run the k-means of faiss on [N, D]; an empty cluster is refilled by splitting a large one."""
    import faiss

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
