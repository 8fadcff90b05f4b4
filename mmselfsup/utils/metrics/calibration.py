"""Calibration: confidence and accuracy of a classifier. Letters: N samples, C classes, M bins."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .inputs import checked

NUM_BINS = 15


def calibration_bins(
    scores: ArrayLike, labels: ArrayLike, num_bins: int = NUM_BINS
) -> dict[str, NDArray[np.float64]]:
    """Count the predictions in M equally wide bins of their highest probability.

    Bin m holds the samples whose highest probability lies in (m/M, (m+1)/M]; 0 belongs to the
    first. Equal scores: the first class counts as predicted.

    Args:
        scores: [N, C], logits or probabilities.
        labels: [N], 0..C-1.
        num_bins: M, at least 1.

    Returns:
        ``count`` [M], number of samples; ``confidence`` [M], mean of their highest probabilities;
        ``accuracy`` [M], fraction that is right, 0..1. The last two are nan in an empty bin.
    """
    if num_bins < 1:
        raise ValueError(f"num_bins must be 1 or more, got {num_bins}")
    probs, truth = checked(scores, labels)
    highest = probs.max(axis=1)  # [N]
    right = probs.argmax(axis=1) == truth  # [N]
    # Inner edges only: 0 falls into the first bin, and 1 into the last.
    edges = np.arange(1, num_bins) / num_bins
    bins = np.digitize(highest, edges, right=True)  # [N]
    count = np.bincount(bins, minlength=num_bins).astype(np.float64)  # [M]
    sums = [np.bincount(bins, weights=w, minlength=num_bins) for w in (highest, right)]
    empty = np.full(num_bins, np.nan)
    confidence, accuracy = (np.divide(s, count, out=empty.copy(), where=count > 0) for s in sums)
    return {"count": count, "confidence": confidence, "accuracy": accuracy}


def expected_calibration_error(
    scores: ArrayLike, labels: ArrayLike, num_bins: int = NUM_BINS
) -> float:
    """Return the mean distance of confidence and accuracy, bins weighted by their samples.

    Guo et al., "On Calibration of Modern Neural Networks", ICML 2017, equation 3:
    sum over bins of n_m/N * |acc_m - conf_m|. The arguments are those of ``calibration_bins``.
    """
    bins = calibration_bins(scores, labels, num_bins)
    gaps = np.abs(np.nan_to_num(bins["accuracy"] - bins["confidence"]))  # [M]
    return float((bins["count"] * gaps).sum() / bins["count"].sum())
