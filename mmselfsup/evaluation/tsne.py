"""Two-dimensional embeddings of features for display: t-SNE and UMAP.

Letters: N samples, D width.
"""

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

PERPLEXITY = 30.0


def embed(features: NDArray[np.float32], seed: int = 0) -> NDArray[np.float32]:
    """Return a two-dimensional embedding of features in which neighbours stay neighbours: t-SNE.

    van der Maaten and Hinton, "Visualizing Data using t-SNE", JMLR 2008, as scikit-learn computes
    it. The features are scaled to unit length, so that the distance ranks as the cosine does, and
    the embedding starts from their first two principal components.

    Args:
        features: Features [N, D], finite.
        seed: Seed of the random part; equal arguments give equal positions.

    Returns:
        Positions [N, 2], centred at 0, the largest coordinate at 1. All zeros for a single sample
        or for features that are all the same (a collapsed network).

    Raises:
        ValueError: Features are NaN or infinite.
    """
    if not np.isfinite(features).all():
        raise ValueError("features to embed must be finite")
    units = unit_length(features)
    # Cosines that differ by rounding alone are equal: t-SNE would magnify that noise.
    if len(units) < 2 or float(np.ptp(units, axis=0).max()) < 1e-6:
        return np.zeros((len(units), 2), dtype=np.float32)
    from sklearn.manifold import TSNE

    perplexity = min(PERPLEXITY, (len(units) - 1) / 3)
    tsne = TSNE(perplexity=perplexity, init=_start(units), random_state=seed)
    return _centred(tsne.fit_transform(units))


def embed_umap(features: NDArray[np.float32], seed: int = 0) -> NDArray[np.float32]:
    """Return a two-dimensional embedding by UMAP; arguments and result as those of ``embed``.

    McInnes et al., "UMAP: Uniform Manifold Approximation and Projection for Dimension Reduction",
    2018, as the package ``umap-learn`` computes it, by cosine.
    """
    from umap import UMAP  # type: ignore[import-not-found]  # an optional package

    units = unit_length(features)
    if len(units) < 4 or float(np.ptp(units, axis=0).max()) < 1e-6:
        return embed(features, seed)  # too few neighbours, or none that differ
    neighbours = min(15, len(units) - 1)
    umap = UMAP(n_neighbors=neighbours, metric="cosine", init="random", random_state=seed)
    return _centred(umap.fit_transform(units))


def unit_length(features: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return features [N, D] divided by their Euclidean length; zeros stay zeros."""
    return F.normalize(torch.from_numpy(features), dim=1).numpy()


def _centred(positions: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return positions [N, 2] centred at 0, the largest coordinate at 1."""
    centred = positions - (positions.max(axis=0) + positions.min(axis=0)) / 2
    return np.asarray(centred / max(float(np.abs(centred).max()), 1e-12), dtype=np.float32)


def _start(units: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the first two principal components [N, 2], scaled down for the start of t-SNE.

    The decomposition is exact: a randomised one would change with the number of threads.
    """
    centred = units.astype(np.float64) - units.mean(axis=0)
    directions = np.linalg.eigh(centred.T @ centred)[1][:, ::-1][:, :2]  # [D, 2], largest first
    # The sign of an eigenvector is arbitrary: make its largest entry positive on every machine.
    signs = np.sign(directions[np.abs(directions).argmax(axis=0), [0, 1][: directions.shape[1]]])
    scores = centred @ (directions * signs)  # [N, 1 or 2]
    start = np.zeros((len(units), 2))
    start[:, : scores.shape[1]] = scores
    # t-SNE wants a start much smaller than its result; 1e-4 is also scikit-learn's scale.
    return (start / start[:, 0].std() * 1e-4).astype(np.float32)
