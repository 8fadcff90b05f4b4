"""Power iteration clustering: Lin and Cohen 2010, in the form of Douze et al. 2018.

It clusters the nodes of a nearest-neighbour graph by the maxima of a stationary distribution; the
number of clusters follows from the data. Letters: N samples, M neighbours, D width.
"""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from .device import default_device
from .progress import progress

_NUM_ITERS = 200
_CHUNK = 1024  # rows of the distance matrix in memory at a time


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
        import faiss

        index = faiss.IndexFlatL2(xb.shape[1])
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
    from scipy.sparse import csr_matrix

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
