"""Features on a plane, to look at. Letters: N samples, D width."""

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

PERPLEXITY = 30.0


def embed(features: NDArray[np.float32], seed: int = 0) -> NDArray[np.float32]:
    """Lay features out on a plane so that neighbours stay neighbours: t-SNE.

    van der Maaten and Hinton, "Visualizing Data using t-SNE", JMLR 2008, as scikit-learn computes
    it. The features are brought to unit length, so that the distance ranks as the cosine does, and
    the layout starts from their first two principal components.

    Args:
        features: [N, D], finite.
        seed: of what chance there is; equal arguments give equal places.

    Returns:
        [N, 2], centred at 0, the farthest coordinate at 1. All zeros where there is nothing to lay
        out: a single sample, or features that are all the same (a collapsed network).

    Raises:
        ValueError: features are NaN or infinite.
    """
    if not np.isfinite(features).all():
        raise ValueError("features to lay out must be finite")
    units = unit_length(features)
    # Cosines that differ by rounding alone are equal: t-SNE would draw that noise large.
    if len(units) < 2 or float(np.ptp(units, axis=0).max()) < 1e-6:
        return np.zeros((len(units), 2), dtype=np.float32)
    from sklearn.manifold import TSNE

    perplexity = min(PERPLEXITY, (len(units) - 1) / 3)
    tsne = TSNE(perplexity=perplexity, init=_start(units), random_state=seed)
    places = tsne.fit_transform(units)  # [N, 2]
    places = places - (places.max(axis=0) + places.min(axis=0)) / 2
    return np.asarray(places / max(float(np.abs(places).max()), 1e-12), dtype=np.float32)


def unit_length(features: NDArray[np.float32]) -> NDArray[np.float32]:
    """Features [N, D] divided by their Euclidean length; zeros stay zeros."""
    return F.normalize(torch.from_numpy(features), dim=1).numpy()


def _start(units: NDArray[np.float32]) -> NDArray[np.float32]:
    """The first two principal components [N, 2], as small as t-SNE wants them at its start.

    An exact decomposition: the randomised one would change with the number of threads.
    """
    centred = units.astype(np.float64) - units.mean(axis=0)
    directions = np.linalg.eigh(centred.T @ centred)[1][:, ::-1][:, :2]  # [D, 2], largest first
    signs = np.sign(directions[np.abs(directions).argmax(axis=0), [0, 1][: directions.shape[1]]])
    scores = centred @ (directions * signs)  # [N, 1 or 2]
    start = np.zeros((len(units), 2))
    start[:, : scores.shape[1]] = scores
    return (start / start[:, 0].std() * 1e-4).astype(np.float32)
