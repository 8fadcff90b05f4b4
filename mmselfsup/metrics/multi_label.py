"""Metrics of a classifier of images that may be of several classes, computed by scikit-learn.

Letters: N samples, C classes.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

#: Probability from which an image is taken for one of a class.
THRESHOLD = 0.5


def multi_label_metrics(
    scores: ArrayLike, labels: ArrayLike, class_names: Sequence[str] | None = None
) -> dict[str, float]:
    """Measure each class against the rest, and their means.

    Args:
        scores: Probabilities [N, C], 0..1; classes of an image need not sum to 1.
        labels: [N, C]: 1 where an image is of a class, 0 where not, negative where it is not known.
        class_names: C names; the class numbers if not given.

    Returns:
        ``mAP``, ``macro_auc`` and ``macro_f1``, the means over the classes of ``AP_<name>``
        (average precision: the area under the curve of precision over recall, as a sum of steps),
        ``auc_<name>`` and ``f1_<name>`` (at ``THRESHOLD``); each 0..1. AP and F1 are nan for a
        class without a positive image, AUC also for one without a negative; means leave these out.

    Raises:
        ValueError: The shapes differ, or a score is not finite.
    """
    from sklearn import metrics  # slow to load, and a training may never need it

    probs, truth = np.asarray(scores, dtype=np.float64), np.asarray(labels)
    if probs.ndim != 2 or probs.shape != truth.shape:
        raise ValueError(f"scores have the shape {probs.shape}, labels {truth.shape}")
    if not np.isfinite(probs).all():
        raise ValueError("some scores are NaN or infinite")
    names = [str(i) for i in range(probs.shape[1])] if class_names is None else list(class_names)
    numbers: dict[str, dict[str, float]] = {"AP": {}, "auc": {}, "f1": {}}
    for number, name in enumerate(names):
        known = truth[:, number] >= 0
        positive, column = truth[known, number] > 0, probs[known, number]
        some, both = bool(positive.any()), bool(positive.any() and not positive.all())
        numbers["AP"][name] = metrics.average_precision_score(positive, column) if some else np.nan
        numbers["auc"][name] = metrics.roc_auc_score(positive, column) if both else np.nan
        numbers["f1"][name] = metrics.f1_score(positive, column >= THRESHOLD) if some else np.nan
    means = {
        "mAP": _mean(numbers["AP"]),
        "macro_auc": _mean(numbers["auc"]),
        "macro_f1": _mean(numbers["f1"]),
    }
    each = {f"{kind}_{n}": float(x) for kind, of in numbers.items() for n, x in of.items()}
    return {**means, **each}


def _mean(values: dict[str, float]) -> float:
    """Return the mean of the numbers that are defined, nan where none is."""
    defined = [value for value in values.values() if np.isfinite(value)]
    return float(np.mean(defined)) if defined else float("nan")
