"""Prepare features for a clustering. Letters: N samples, D width."""

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
        npdata: features [N, D], float32.
        pca: number of components to keep; -1 leaves the analysis out.

    Returns:
        [N, pca], or [N, D] with ``pca=-1``.

    Raises:
        ArgumentError: no matrix of float32, which is refused as in 0.x: a copy in another
            precision would double the memory in silence.
        UserError: more components than images or features, or the features are not finite.
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
        keep = vectors[:, -pca:] / values[-pca:].clamp(min=_EPS).sqrt()
        x = x @ keep  # [N, pca]
    x = x / x.norm(dim=1, keepdim=True).clamp(min=_EPS)
    return x.cpu().numpy()
