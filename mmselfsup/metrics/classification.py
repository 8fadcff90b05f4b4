"""The metrics of every log line: balanced accuracy, recalls, AUC.

Letters: N samples, C classes.
"""

from __future__ import annotations

import functools
import warnings
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .calibration import expected_calibration_error
from .inputs import checked

#: From this number of classes on, the AUC and the recall of each class are computed on request.
MANY_CLASSES = 100


def classification_metrics(
    scores: ArrayLike,
    labels: ArrayLike,
    class_names: Sequence[str] | None = None,
    detailed: bool | None = None,
) -> dict[str, float]:
    """Measure how well scores predict labels.

    A class without a sample has the recall nan, is left out of every mean and named in a warning
    (once per process). Equal scores: the first class counts as predicted.

    Args:
        scores: [N, C], logits or probabilities (rows in 0..1 that sum to 1), see ``probabilities``.
        labels: [N], integers 0..C-1.
        class_names: C names for the recall keys; the class numbers if not given.
        detailed: Whether to return the AUC and the recall of every class too. None: only for
            fewer than ``MANY_CLASSES`` classes.

    Returns:
        ``balanced_accuracy`` (mean of the recalls: the ISIC challenge's normalised multi-class
        accuracy), ``accuracy``, ``macro_auc`` (mean over classes of one against the rest; nan if
        there is only one class) and ``recall_<name>`` for every class, each in 0..1.

    Raises:
        ValueError: For empty, NaN, infinite or misshapen scores and for labels outside 0..C-1.
    """
    probs, truth = checked(scores, labels)
    num_classes = probs.shape[1]
    names = [str(i) for i in range(num_classes)] if class_names is None else list(class_names)
    if len(names) != num_classes:
        raise ValueError(f"{len(names)} class names for scores of {num_classes} classes")
    matrix = confusion_matrix(scores, truth, num_classes)
    recalls = per_class_recall(matrix)  # [C]
    _warn_absent(tuple(n for n, r in zip(names, recalls, strict=True) if np.isnan(r)))
    metrics = {
        "balanced_accuracy": float(np.nanmean(recalls)),
        "accuracy": float(np.trace(matrix) / matrix.sum()),
    }
    if detailed if detailed is not None else num_classes < MANY_CLASSES:
        metrics["macro_auc"] = macro_auc(scores, truth)
        metrics["ece"] = expected_calibration_error(probs, truth)
        metrics.update({f"recall_{n}": float(r) for n, r in zip(names, recalls, strict=True)})
    metrics["num_classes"] = float(num_classes)
    return metrics


def confusion_matrix(scores: ArrayLike, labels: ArrayLike, num_classes: int) -> NDArray[np.int64]:
    """Return counts of predictions: [C, C], rows are the truth, columns the predicted class."""
    from sklearn import metrics

    probs, truth = checked(scores, labels)
    if probs.shape[1] != num_classes:
        raise ValueError(f"scores have {probs.shape[1]} classes, {num_classes} are expected")
    predicted = np.asarray(scores).argmax(axis=1)  # [N]
    counts = metrics.confusion_matrix(truth, predicted, labels=np.arange(num_classes))
    return np.asarray(counts, dtype=np.int64)


def per_class_recall(matrix: ArrayLike) -> NDArray[np.float64]:
    """Return the recalls [C] of a confusion matrix [C, C], nan for a class without samples."""
    counts = np.asarray(matrix, dtype=np.float64)
    totals = counts.sum(axis=1)
    recalls = np.full(len(totals), np.nan)
    return np.divide(counts.diagonal(), totals, out=recalls, where=totals > 0)


def macro_auc(scores: ArrayLike, labels: ArrayLike) -> float:
    """Return the mean area under the ROC curve, each class present against the rest.

    Samples are ranked by their probability, not by their logit. nan if only one class is present.
    """
    from sklearn import metrics

    probs, truth = checked(scores, labels)
    present = np.unique(truth)
    if len(present) < 2:
        return float("nan")
    return float(np.mean([metrics.roc_auc_score(truth == c, probs[:, c]) for c in present]))


@functools.cache
def _warn_absent(names: tuple[str, ...]) -> None:
    """Warn, once for each set of classes, that they have no sample."""
    if names:
        warnings.warn(
            f"no sample of the class(es) {', '.join(names)}: left out of the means", stacklevel=3
        )
