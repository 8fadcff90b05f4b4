"""Temperature scaling: one number that makes a classifier's probabilities fit its accuracy.

Source: Guo et al., "On Calibration of Modern Neural Networks", ICML 2017, section 4.2: the logits z
become z / T, and T is the one with the least negative log-likelihood on images that the classifier
was not trained on. The predicted class stays.

Letters: N samples, C classes.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .classification import checked, probabilities

_LEAST = 1e-12  # probability whose logarithm is taken
_BOUNDS = (-3.0, 3.0)  # of log T: a perfect classifier has none that is best


def with_temperature(scores: ArrayLike, temperature: float) -> NDArray[np.float64]:
    """Return softmax(z / T).

    Args:
        scores: [N, C], logits z or probabilities.
        temperature: T, above 0.

    Returns:
        [N, C], rows that sum to 1.
    """
    if not temperature > 0:
        raise ValueError(f"a temperature must be above 0, got {temperature}")
    if temperature == 1.0:
        return probabilities(scores)
    scaled = _logits(scores) / temperature
    # Without its largest value no row is taken for probabilities.
    return probabilities(scaled - scaled.max(axis=1, keepdims=True))


def _logits(scores: ArrayLike) -> NDArray[np.float64]:
    """Return logits [N, C] as they are, and of probabilities their logarithms.

    These are the logits but for a constant of each row, which the softmax doesn't see; what has no
    logarithm gets that of 1e-12.
    """
    values = np.asarray(scores, dtype=np.float64)
    probs = probabilities(values)  # the same array: these are probabilities
    return np.log(values.clip(_LEAST)) if probs is values else values


def fit_temperature(scores: ArrayLike, labels: ArrayLike) -> float:
    """Return the temperature with the least negative log-likelihood, 0.05 to 20.

    Args:
        scores: [N, C], logits or probabilities of images not trained on.
        labels: [N], 0..C-1.

    Raises:
        ValueError: For scores and labels that don't fit, see ``checked``.
    """
    from scipy.optimize import minimize_scalar  # slow to load

    _, truth = checked(scores, labels)
    logits = _logits(scores)
    rows = np.arange(len(truth))

    def loss(log_t: float) -> float:
        scaled = logits / np.exp(log_t)
        highest = scaled.max(axis=1)
        total = highest + np.log(np.exp(scaled - highest[:, None]).sum(axis=1))
        return float((total - scaled[rows, truth]).mean())

    found = minimize_scalar(loss, bounds=_BOUNDS, method="bounded", options={"xatol": 1e-6})
    return float(np.exp(found.x))
