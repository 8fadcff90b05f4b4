"""Intervals of metrics by a bootstrap over lesions, and the comparison of two runs.

Images of one lesion are not independent, so whole lesions are drawn, with all their images. A
resample is a row of weights: how often each sample was drawn.

Letters: N samples, C classes, L lesions, B resamples, U distinct scores.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .classification import checked

Floats = NDArray[np.float64]
_CELLS = 2**22  # numbers in a table of weights at a time: 32 MB


def bootstrap_intervals(
    scores: ArrayLike,
    labels: ArrayLike,
    lesions: Sequence[Hashable] | None = None,
    num_resamples: int = 1000,
    seed: int = 0,
    level: float = 0.95,
) -> dict[str, tuple[float, float]]:
    """Return percentile intervals of balanced accuracy, accuracy and macro AUC.

    Efron and Tibshirani, "An Introduction to the Bootstrap" (1993), chapter 13: L lesions are drawn
    from the L lesions with replacement, B times; the interval is from the (1 - level)/2 to the
    (1 + level)/2 quantile of the B numbers. A class without a sample in a resample is left out of
    its means.

    Args:
        scores: [N, C], logits or probabilities.
        labels: [N], 0..C-1.
        lesions: Key of the lesion of each sample; None for a lesion per sample.
        num_resamples: B.
        seed: Seed of the draws.
        level: Level of the interval, 0..1.

    Returns:
        Lower and upper end by the name of the metric.
    """
    draws = resampled_metrics(scores, labels, lesions, num_resamples, seed)
    return {key: _interval(values, level) for key, values in draws.items()}


def resampled_metrics(
    scores: ArrayLike,
    labels: ArrayLike,
    lesions: Sequence[Hashable] | None = None,
    num_resamples: int = 1000,
    seed: int = 0,
) -> dict[str, Floats]:
    """Return balanced accuracy, accuracy and macro AUC of each resample, [B] each.

    The arguments are those of ``bootstrap_intervals``.
    """
    probs, truth = checked(scores, labels)
    right = np.asarray(scores).argmax(axis=1) == truth  # [N]
    parts = [
        weighted_numbers(probs, truth, right, weights)
        for weights in drawn_weights(lesion_index(lesions, len(truth)), num_resamples, seed)
    ]
    return {key: np.concatenate([part[key] for part in parts]) for key in parts[0]}


def difference_interval(first: Floats, second: Floats, level: float = 0.95) -> tuple[float, float]:
    """Return the interval of a metric of one test set minus that of another.

    The sets have no image in common, so their resamples are drawn independently of each other: give
    ``resampled_metrics`` another seed for each.

    Args:
        first, second: The metric of B resamples of each set, [B].
        level: Level of the interval, 0..1.
    """
    return _interval(first - second, level)


def compare_runs(
    first: ArrayLike,
    second: ArrayLike,
    labels: ArrayLike,
    lesions: Sequence[Hashable] | None = None,
    num_resamples: int = 1000,
    seed: int = 0,
    level: float = 0.95,
) -> dict[str, dict[str, float]]:
    """Compare two classifiers on the same samples.

    The interval of the difference comes from a paired bootstrap: both are measured on the same
    drawn lesions. The p-value comes from a paired permutation test (Good, "Permutation Tests",
    2000): if the two were equal, their predictions for a lesion could be exchanged; p is the
    fraction of B random exchanges, and of the observed result, with a difference at least as
    large. It is two-sided, and at least 1/(B + 1). Macro AUC gets an interval only.

    Args:
        first, second: [N, C] scores of the two, of the same samples in the same order.
        labels: [N], 0..C-1.
        lesions, num_resamples, seed, level: See ``bootstrap_intervals``.

    Returns:
        For each metric ``difference`` (second - first), ``low`` and ``high``, and ``p_value``.
    """
    (probs, truth), (others, _) = checked(first, labels), checked(second, labels)
    if probs.shape != others.shape:
        raise ValueError(f"the scores have different shapes: {probs.shape} and {others.shape}")
    index = lesion_index(lesions, len(truth))
    right = [np.asarray(s).argmax(axis=1) == truth for s in (first, second)]
    one = np.ones((1, len(truth)))

    def differences(weights: Floats) -> dict[str, Floats]:
        """Return second minus first of each metric, [B]."""
        before = weighted_numbers(probs, truth, right[0], weights)
        after = weighted_numbers(others, truth, right[1], weights)
        return {key: after[key] - before[key] for key in after}

    parts = [differences(weights) for weights in drawn_weights(index, num_resamples, seed)]
    observed = {key: float(value[0]) for key, value in differences(one).items()}
    result = {}
    for key, difference in observed.items():
        low, high = _interval(np.concatenate([p[key] for p in parts]), level)
        result[key] = {"difference": difference, "low": low, "high": high}
    # Both metrics are sums over the samples: an exchange inverts the sign of a lesion's terms.
    gain = right[1].astype(float) - right[0]  # [N]
    counts = np.bincount(truth)
    terms = {
        "accuracy": gain / len(truth),
        "balanced_accuracy": gain / counts[truth] / (counts > 0).sum(),
    }
    rng = np.random.default_rng(seed)
    signs = rng.choice((-1.0, 1.0), size=(num_resamples, int(index.max()) + 1))  # [B, L]
    for key, term in terms.items():
        exchanged = signs @ np.bincount(index, weights=term)  # [B]
        # The tolerance: equal differences may be rounded differently.
        larger = (np.abs(exchanged) >= abs(observed[key]) - 1e-12).sum()
        result[key]["p_value"] = float((1 + larger) / (1 + num_resamples))
    return result


def _interval(values: Floats, level: float) -> tuple[float, float]:
    """Return the ends of the middle ``level`` of the values that are not nan."""
    values = values[~np.isnan(values)]
    if not len(values):
        return float("nan"), float("nan")
    low, high = np.quantile(values, ((1 - level) / 2, (1 + level) / 2))
    return float(low), float(high)


def lesion_index(lesions: Sequence[Hashable] | None, num: int) -> NDArray[np.int64]:
    """Return the index of the lesion of each sample: [N], 0..L-1."""
    if lesions is None:
        return np.arange(num)
    if len(lesions) != num:
        raise ValueError(f"{len(lesions)} lesions for {num} samples")
    numbers: dict[Hashable, int] = {}
    return np.array([numbers.setdefault(name, len(numbers)) for name in lesions])


def drawn_weights(index: NDArray[np.int64], num_resamples: int, seed: int) -> Iterator[Floats]:
    """Yield how often each sample is drawn: tables [up to B, N], B rows in all."""
    if num_resamples < 1:
        raise ValueError(f"num_resamples must be 1 or more, got {num_resamples}")
    rng, num_lesions = np.random.default_rng(seed), int(index.max()) + 1
    even = np.full(num_lesions, 1 / num_lesions)
    step = max(1, _CELLS // len(index))
    for start in range(0, num_resamples, step):
        size = min(step, num_resamples - start)
        yield rng.multinomial(num_lesions, even, size=size)[:, index].astype(np.float64)


def weighted_numbers(
    probs: Floats, truth: NDArray[np.int64], right: NDArray[np.bool_], weights: Floats
) -> dict[str, Floats]:
    """Return the metrics of weighted samples, [B] each, for weights [B, N]."""
    classes = np.unique(truth)
    of_class = (truth[:, None] == classes).astype(np.float64)  # [N, C]
    totals, hits = weights @ of_class, weights @ (of_class * right[:, None])  # [B, C]
    recalls = _divide(hits, totals)
    aucs = np.stack([weighted_auc(probs[:, c], truth == c, weights) for c in classes])  # [C, B]
    return {
        "balanced_accuracy": _mean(recalls.T),
        "accuracy": hits.sum(axis=1) / totals.sum(axis=1),
        "macro_auc": _mean(aucs),
    }


def weighted_auc(scores: Floats, positive: NDArray[np.bool_], weights: Floats) -> Floats:
    """Return the area under the ROC curve for each row of weights: [B].

    It is the fraction of pairs in which the positive has the higher score; ties count half. It is
    nan where all positives or all negatives have the weight 0.
    """
    order = np.argsort(scores, kind="stable")
    # nan differs from every number, so that the first score begins a group.
    starts = np.flatnonzero(np.diff(scores[order], prepend=np.nan) != 0)  # of equal scores, [U]
    plus = np.add.reduceat((weights * positive)[:, order], starts, axis=1)  # [B, U]
    minus = np.add.reduceat((weights * ~positive)[:, order], starts, axis=1)
    below = np.cumsum(minus, axis=1) - minus / 2
    return _divide((plus * below).sum(axis=1), plus.sum(axis=1) * minus.sum(axis=1))


def _divide(part: Floats, whole: Floats) -> Floats:
    """Return quotients, nan where the denominator is 0."""
    return np.divide(part, whole, out=np.full(part.shape, np.nan), where=whole > 0)


def _mean(table: Floats) -> Floats:
    """Return means over the rows, nan left out; nan for a column of nan only."""
    valid = ~np.isnan(table)
    return _divide(np.where(valid, table, 0).sum(axis=0), valid.sum(axis=0).astype(np.float64))
