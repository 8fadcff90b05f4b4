"""Metrics of a classifier: for the log line, for each class and source, and for its calibration.

``classification_metrics`` is what every log line has, ``detailed_metrics`` everything else; both
are made of the metrics below them, which take checked probabilities.

Letters: N samples, C classes, M bins.
"""

from __future__ import annotations

import functools
import math
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
#: From this number of classes on, the AUC and the recall of each class are computed on request.
MANY_CLASSES = 100
#: Name of the class that is also measured alone, as a diagnosis.
MELANOMA = "MEL"
#: Default number of bins of the calibration.
NUM_BINS = 15


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


@functools.cache
def _warn_absent(names: tuple[str, ...]) -> None:
    """Warn, once for each set of classes, that they have no sample."""
    if names:
        warnings.warn(
            f"no sample of the class(es) {', '.join(names)}: left out of the means", stacklevel=3
        )


def detailed_metrics(
    scores: ArrayLike,
    labels: ArrayLike,
    class_names: Sequence[str] | None = None,
    sources: Sequence[str] | None = None,
    raw_probs: ArrayLike | None = None,
) -> dict[str, float]:
    """Measure every class against the rest, and everything again for each source.

    Predictions are the class with the highest score; melanoma is also measured as the
    challenge measures a single diagnosis: predicted where its probability is above 0.5.

    Args:
        scores: [N, C], logits or probabilities.
        labels: [N], integers 0..C-1.
        class_names: C names; the class numbers if not given.
        sources: N names of the collections of the samples.
        raw_probs: [N, C], the probabilities for the comparison with 0.5 and for the calibration,
            where these are not those of ``scores``, see ``without_threshold``.

    Returns:
        Names have slashes, see ``nested``: ``per_class/<class>/<metric>`` (metrics of
        ``one_against_rest``), ``macro/<metric>`` (their mean over the classes that have it),
        ``melanoma/<metric>`` where a class is called ``MEL``, and ``source/<source>/<...>``: all of
        these, ``num_samples``, and the numbers of ``classification_metrics`` except the recalls,
        for the samples of a source.
    """
    probs, truth = checked(scores, labels)
    predicted = np.asarray(scores).argmax(axis=1)  # [N]
    names = [str(i) for i in range(probs.shape[1])] if class_names is None else list(class_names)
    raw = probs if raw_probs is None else np.asarray(raw_probs)
    numbers = _of_classes(probs, truth, predicted, names, raw)
    for source in sorted(set(sources or ())):
        chosen = np.array([name == source for name in sources or ()])
        numbers[f"source/{source}/num_samples"] = float(chosen.sum())
        with warnings.catch_warnings():  # a source need not have all classes
            warnings.simplefilter("ignore")
            part = classification_metrics(np.asarray(scores)[chosen], truth[chosen], names, True)
        part = {key: value for key, value in part.items() if not key.startswith("recall_")}
        part |= _of_classes(probs[chosen], truth[chosen], predicted[chosen], names, raw[chosen])
        if raw_probs is not None:
            part["ece"] = expected_calibration_error(raw[chosen], truth[chosen])
        numbers.update({f"source/{source}/{key}": value for key, value in part.items()})
    return numbers


def _of_classes(
    probs: Any, truth: Any, predicted: Any, names: Sequence[str], raw: Any
) -> dict[str, float]:
    """Measure every class against the rest, their means, and melanoma (by ``raw``)."""
    table = {
        name: one_against_rest(probs[:, c], truth == c, predicted == c)
        for c, name in enumerate(names)
    }
    numbers = {f"per_class/{n}/{key}": v for n, row in table.items() for key, v in row.items()}
    for key in next(iter(table.values())):
        values = np.array([row[key] for row in table.values()])
        values = values[~np.isnan(values)]
        numbers[f"macro/{key}"] = float(values.mean()) if len(values) else float("nan")
    if MELANOMA in names:
        column = raw[:, list(names).index(MELANOMA)]
        alone = one_against_rest(column, truth == names.index(MELANOMA), column > 0.5)
        numbers.update({f"melanoma/{key}": value for key, value in alone.items()})
    return numbers


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


def is_fact(name: str) -> bool:
    """Return whether a number among metrics says what was measured: it is no result of a model."""
    return name.rpartition("/")[2] == "num_classes" or name.endswith("_num_classes")


def confusion_matrix(scores: ArrayLike, labels: ArrayLike, num_classes: int) -> NDArray[np.int64]:
    """Return counts of predictions: [C, C], rows are the truth, columns the predicted class."""
    from sklearn import metrics  # slow to load, and a training may never need it

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


def standard_error(matrix: Sequence[Sequence[int]]) -> float:
    """Estimate the sampling error of the balanced accuracy from a confusion matrix [C, C].

    The recalls of C classes are independent binomial fractions r_c over n_c images, so their mean
    has the variance sum_c r_c (1 - r_c) / n_c / C^2; one hit and one miss are added to each class,
    otherwise small classes with all predictions right or wrong would have no error. Images of the
    same lesion are correlated, which makes the true error larger: see ``sampling_errors``.
    """
    variances = []
    for c, row in enumerate(matrix):
        if sum(row):
            total = sum(row) + 2  # one hit and one miss more
            recall = (row[c] + 1) / total
            variances.append(recall * (1 - recall) / total)
    return math.sqrt(sum(variances)) / max(len(variances), 1)


def macro_auc(scores: ArrayLike, labels: ArrayLike) -> float:
    """Return the mean area under the ROC curve, each class present against the rest.

    Samples are ranked by their probability, not by their logit. nan if only one class is present.
    """
    from sklearn import metrics  # slow to load, and a training may never need it

    probs, truth = checked(scores, labels)
    present = np.unique(truth)
    if len(present) < 2:
        return float("nan")
    return float(np.mean([metrics.roc_auc_score(truth == c, probs[:, c]) for c in present]))


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
    from sklearn import metrics  # slow to load, and a training may never need it

    hits, of_class, named = (int(v.sum()) for v in (positive & predicted, positive, predicted))
    rejected, of_others = (int(v.sum()) for v in (~positive & ~predicted, ~positive))
    numbers = {
        "sensitivity": _ratio(hits, of_class),
        "specificity": _ratio(rejected, of_others),
        "precision": _ratio(hits, named),
        "f1": _ratio(2 * hits, of_class + named),
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
    from sklearn import metrics  # slow to load, and a training may never need it

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
    from sklearn import metrics  # slow to load, and a training may never need it

    fpr, tpr = _curve_above(probs, positive, sensitivity)
    return float(metrics.auc(tpr, 1 - fpr) / (1 - sensitivity)) if len(fpr) else np.nan


def _curve_above(probs: Floats, positive: Bools, sensitivity: float) -> tuple[Floats, Floats]:
    """Return false and true positive rates of the ROC curve from ``sensitivity`` on."""
    from sklearn import metrics  # slow to load, and a training may never need it

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
    sum over bins of ``n_m/N * |acc_m - conf_m|``. The arguments are those of ``calibration_bins``.
    """
    bins = calibration_bins(scores, labels, num_bins)
    gaps = np.abs(np.nan_to_num(bins["accuracy"] - bins["confidence"]))  # [M]
    return float((bins["count"] * gaps).sum() / bins["count"].sum())


def nested(numbers: Mapping[str, Any]) -> dict[str, Any]:
    """Return nested dicts for names with slashes: ``a: {b: 1}`` for ``a/b: 1``."""
    tree: dict[str, Any] = {}
    for name, value in numbers.items():
        *folders, leaf = name.split("/")
        place = tree
        for folder in folders:
            place = place.setdefault(folder, {})
        place[leaf] = value
    return tree


def finite(metrics: Mapping[str, Any]) -> dict[str, Any]:
    """Return the metrics with None, JSON's null, in place of nan and infinity."""
    return {
        name: None if isinstance(value, float) and not math.isfinite(value) else value
        for name, value in metrics.items()
    }
