"""Nearest neighbours in synthetic features: by the k-NN of ours, or by an index of faiss.

Letters: M features of the gallery, N queries, D width.
"""

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from serve import serve, settings

CENTRES, LISTS, PROBES = 1000, 1024, 16

wanted = settings()
train, test, width, k = (wanted[key] for key in ("train", "test", "width", "k"))
torch.set_num_threads(wanted["threads"])


def features(count: int, seed: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return unit vectors [count, D] around centres, and the numbers of these."""
    centres = np.random.default_rng(0).standard_normal((CENTRES, width), dtype=np.float32)
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, CENTRES, count)
    found = rng.standard_normal((count, width), dtype=np.float32)
    found += centres[labels]  # as far from its centre as from the origin
    found /= np.linalg.norm(found, axis=1, keepdims=True)
    return found, labels


def index_of(gallery: NDArray[np.float32]) -> Any:
    """Return an index of faiss over a gallery [M, D] by inner products."""
    import faiss  # here alone: the k-NN is measured without it

    versions["faiss"] = faiss.__version__
    faiss.omp_set_num_threads(wanted["threads"])
    if wanted["kind"] == "flat":
        index = faiss.IndexFlatIP(width)
    else:
        lists = min(LISTS, len(gallery) // 40)
        index = faiss.IndexIVFFlat(
            faiss.IndexFlatIP(width), width, lists, faiss.METRIC_INNER_PRODUCT
        )
        index.nprobe = PROBES
        index.train(gallery)
    index.add(gallery)
    return index


versions = {"torch": torch.__version__}
gallery, labels = features(train, 1)
queries, _ = features(test, 2)
made = time.process_time()
work: Callable[[], dict[str, float] | None]
if wanted["kind"] == "ours":
    from mmselfsup.evaluation.features import LabelledFeatures
    from mmselfsup.evaluation.knn import DEFAULT_NUM_KNN, knn_scores

    data = LabelledFeatures(gallery, labels, queries, np.zeros(test, np.int64))
    ks = [number for number in DEFAULT_NUM_KNN if number <= k]

    def work() -> None:
        """Compute the votes for all queries."""
        knn_scores(data, ks)

else:
    index = index_of(gallery)
    made = time.process_time() - made
    exact = (torch.from_numpy(queries) @ torch.from_numpy(gallery).t()).topk(k).indices.numpy()

    found = index.search(queries, k)[1]
    hits = [len(np.intersect1d(a, b)) for a, b in zip(found, exact, strict=True)]
    recall = {"recall": sum(hits) / exact.size}

    def work() -> dict[str, float]:
        """Search all queries; return the share of the true neighbours that are found."""
        index.search(queries, k)
        return recall


work()
serve(work, {**versions, "made": made})
