"""One class against the rest over all thresholds: ROC curve, operating points, net benefit.

Letters: N samples, T thresholds.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


def roc_points(probs: ArrayLike, positive: ArrayLike, every: bool = False) -> tuple[Floats, Floats]:
    """Return the ROC curve as false-positive rates and sensitivities, both rising, from 0 to 1.

    Args:
        probs: Probability of the class for each sample, [N].
        positive: Whether each sample is of the class, [N]; both kinds must be there.
        every: Whether every threshold has a point; otherwise those on a line between two others
            are left out.
    """
    from sklearn.metrics import roc_curve  # slow to load

    truth, p = np.asarray(positive, bool), np.asarray(probs, np.float64)
    rates, sensitivities, _ = roc_curve(truth, p, drop_intermediate=not every)
    return rates, sensitivities


def specificity_at(probs: ArrayLike, positive: ArrayLike, sensitivity: float) -> float:
    """Return the best specificity of the thresholds that have at least this sensitivity.

    Arguments as ``roc_points``.
    """
    rates, sensitivities = roc_points(probs, positive, every=True)
    return float(1 - rates[sensitivities >= sensitivity - 1e-12].min())


def sensitivity_at(probs: ArrayLike, positive: ArrayLike, specificity: float) -> float:
    """Return the best sensitivity of the thresholds that have at least this specificity.

    Arguments as ``roc_points``.
    """
    rates, sensitivities = roc_points(probs, positive, every=True)
    return float(sensitivities[1 - rates >= specificity - 1e-12].max())


def net_benefit(probs: ArrayLike, positive: ArrayLike, thresholds: ArrayLike) -> Floats:
    """Return the net benefit of treating every sample whose probability reaches a threshold, [T].

    Vickers and Elkin 2006, "Decision Curve Analysis", Medical Decision Making 26(6): TP / N less
    FP / N * t / (1 - t). The threshold t says how many false alarms a hit is worth.

    Args:
        probs: Probability of the class for each sample, [N].
        positive: Whether each sample is of the class, [N].
        thresholds: t, [T], above 0 and below 1.
    """
    p, truth = np.asarray(probs, np.float64), np.asarray(positive, bool)
    t = np.asarray(thresholds, np.float64)
    treated = p[None] >= t[:, None]  # [T, N]
    hits = (treated & truth[None]).mean(axis=1)
    alarms = (treated & ~truth[None]).mean(axis=1)
    found: Floats = hits - alarms * t / (1 - t)
    return found
