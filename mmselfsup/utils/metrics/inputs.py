"""The inputs of the metrics: checked scores and labels. Letters: N samples, C classes."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray


def probabilities(scores: ArrayLike) -> NDArray[np.float64]:
    """Return the probabilities of scores [N, C]: their softmax, or rows that are probabilities.

    Rows in 0..1 that sum to 1 (to within 1e-3, for half precision) are returned as they are.
    """
    values = np.asarray(scores, dtype=np.float64)
    if values.min() >= 0 and np.allclose(values.sum(axis=1), 1, rtol=0, atol=1e-3):
        return values
    # The largest score becomes 0, so that no exponential overflows.
    exps = np.exp(values - values.max(axis=1, keepdims=True))
    return exps / exps.sum(axis=1, keepdims=True)


def checked(scores: ArrayLike, labels: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Check both arrays and return probabilities [N, C] and labels [N].

    Raises:
        ValueError: For empty, NaN, infinite or misshapen scores and for labels outside 0..C-1.
    """
    values, truth = np.asarray(scores), np.asarray(labels)
    if values.ndim != 2 or 0 in values.shape:
        raise ValueError(f"scores must be a filled array [N, C], got the shape {values.shape}")
    if truth.shape != values.shape[:1]:
        raise ValueError(f"{len(values)} scores, but labels have the shape {truth.shape}")
    bad = int((~np.isfinite(values)).any(axis=1).sum())
    if bad:
        raise ValueError(f"{bad} of {len(values)} samples have NaN or infinite scores")
    if truth.dtype.kind not in "iu":
        raise ValueError(f"labels must be integers, got {truth.dtype}")
    if truth.min() < 0 or truth.max() >= values.shape[1]:
        raise ValueError(
            f"labels must lie in 0..{values.shape[1] - 1}, got {truth.min()}..{truth.max()}"
        )
    return probabilities(values), truth.astype(np.int64)
