"""Metrics of one class against all others. Letters: N samples."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


def one_against_rest(probs: Floats, positive: Bools, predicted: Bools) -> dict[str, float]:
    """Measure one class.

    Args:
        probs: [N], probability of the class, 0..1.
        positive: [N], whether a sample is of the class.
        predicted: [N], whether a sample is predicted as one.

    Returns:
        ``sensitivity`` (recall), ``specificity``, ``precision`` and ``f1`` of the predictions;
        ``auc``, ``average_precision``, ``auc80`` (``auc_above_sensitivity``) and ``pauc80``
        (``specificity_above_sensitivity``) of the probabilities. nan where the denominator is 0:
        sensitivity and the last four without a positive, specificity and the last four (except
        average precision, which is 1 then) without a negative, precision without a prediction, f1
        without a positive and a prediction.
    """
    from sklearn import metrics

    hits = float((positive & predicted).sum())
    numbers = {
        "sensitivity": _ratio(hits, positive.sum()),
        "specificity": _ratio((~positive & ~predicted).sum(), (~positive).sum()),
        "precision": _ratio(hits, predicted.sum()),
        "f1": _ratio(2 * hits, positive.sum() + predicted.sum()),
    }
    both = bool(positive.any() and not positive.all())
    numbers["auc"] = float(metrics.roc_auc_score(positive, probs)) if both else np.nan
    precise = metrics.average_precision_score(positive, probs) if positive.any() else np.nan
    numbers["average_precision"] = float(precise)
    numbers["auc80"] = auc_above_sensitivity(probs, positive)
    numbers["pauc80"] = specificity_above_sensitivity(probs, positive)
    return numbers


def auc_above_sensitivity(probs: Floats, positive: Bools, sensitivity: float = 0.8) -> float:
    """Return the area under the ROC curve from where it reaches sensitivity s: ISIC's AUC80.

    The curve joins its points by straight lines. With f the false positive rate at which it first
    reaches s, this is the integral of the true positive rate over false positive rates from f to 1,
    not divided by anything: 1 for a perfect ranking, (1 - s^2) / 2 for chance (0.18 at s = 0.8).
    This is the definition of the challenge's ranking ("AUC, sens > 80%").

    Args:
        probs: [N], higher for samples that are more probably positive.
        positive: [N].
        sensitivity: The sensitivity s, above 0 and at most 1.

    Returns:
        0..1; nan without a positive or without a negative.
    """
    from sklearn import metrics

    fpr, tpr = _curve_above(probs, positive, sensitivity)
    return float(metrics.auc(fpr, tpr)) if len(fpr) else np.nan


def specificity_above_sensitivity(
    probs: Floats, positive: Bools, sensitivity: float = 0.8
) -> float:
    """Return the mean specificity over sensitivities s to 1: the normalised partial AUC.

    The integral of 1 - false positive rate over true positive rates from s to 1, divided by 1 - s
    (the largest it can be): 1 for a perfect ranking, (1 - s) / 2 for chance (0.1 at s = 0.8).
    Unlike ``auc_above_sensitivity`` it does not count the strip below s.

    Args:
        probs: [N], higher for samples that are more probably positive.
        positive: [N].
        sensitivity: The sensitivity s, above 0 and below 1.

    Returns:
        0..1; nan without a positive or without a negative.
    """
    from sklearn import metrics

    fpr, tpr = _curve_above(probs, positive, sensitivity)
    return float(metrics.auc(tpr, 1 - fpr) / (1 - sensitivity)) if len(fpr) else np.nan


def _curve_above(probs: Floats, positive: Bools, sensitivity: float) -> tuple[Floats, Floats]:
    """Return false and true positive rates of the ROC curve from ``sensitivity`` on."""
    from sklearn import metrics

    if not 0 < sensitivity <= 1:
        raise ValueError(f"sensitivity must be above 0 and at most 1, got {sensitivity}")
    if positive.all() or not positive.any():
        return np.empty(0), np.empty(0)
    fpr, tpr, _ = metrics.roc_curve(positive, probs, drop_intermediate=False)
    first = int(np.searchsorted(tpr, sensitivity))  # tpr[first - 1] < sensitivity <= tpr[first]
    # The point at which the line between two points of the curve reaches the sensitivity.
    fraction = (sensitivity - tpr[first - 1]) / (tpr[first] - tpr[first - 1])
    start = fpr[first - 1] + fraction * (fpr[first] - fpr[first - 1])
    return np.append(start, fpr[first:]), np.append(sensitivity, tpr[first:])


def _ratio(part: float, whole: float) -> float:
    """Return a quotient, nan for a denominator of 0."""
    return float(part / whole) if whole else float("nan")
