"""Whitened features for a clustering. Letters: N samples, D width."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from .device import default_device
from .errors import ArgumentError, UserError

_EPS = 1e-10


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
    x = torch.from_numpy(np.ascontiguousarray(npdata)).to(default_device())
    if not bool(torch.isfinite(x).all()):
        raise UserError("clustering: the features are not finite; lower optimizer.lr")
    if pca != -1:
        if not 1 <= pca <= min(x.shape):
            raise UserError(
                f"clustering.pca_dim={pca} needs at least as many images and features, there are "
                f"{x.shape[0]} images with {x.shape[1]} features: lower pca_dim, or -1 for none"
            )
        x = x - x.mean(dim=0)
        values, vectors = torch.linalg.eigh(x.T @ x / len(x))  # ascending: [D], [D, D]
        # The clamp limits the factor of components without variance.
        basis = vectors[:, -pca:] / values[-pca:].clamp(min=_EPS).sqrt()
        x = x @ basis  # [N, pca]
    x = x / x.norm(dim=1, keepdim=True).clamp(min=_EPS)
    return x.cpu().numpy()
