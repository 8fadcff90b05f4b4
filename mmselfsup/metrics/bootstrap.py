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
# Lesions from which on each draw is a number of its own: NumPy's multinomial draws a binomial for
# each lesion, which takes five times as long. Smaller sets keep the draws of their seeds.
_MANY = 2**16
#: Lesions of each class from which on intervals of means over the classes can be trusted.
FEWEST_LESIONS = 10


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
    its means. Of a class with few lesions the resamples vary too little, and that of one lesion not
    at all: below ``FEWEST_LESIONS``, see ``fewest_lesions``, the intervals of balanced accuracy and
    macro AUC are too narrow.

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
    numbers = WeightedNumbers(probs, truth, right)
    index = lesion_index(lesions, len(truth))
    parts = [numbers(weights) for weights in drawn_weights(index, num_resamples, seed)]
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
    numbers = [WeightedNumbers(probs, truth, right[0]), WeightedNumbers(others, truth, right[1])]
    one = np.ones((1, len(truth)))

    def differences(weights: Floats) -> dict[str, Floats]:
        """Return second minus first of each metric, [B]."""
        before, after = (of(weights) for of in numbers)
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


def fewest_lesions(labels: ArrayLike, lesions: Sequence[Hashable] | None = None) -> int:
    """Return the number of lesions of the class that has the fewest, of the classes with samples.

    Args:
        labels: [N], 0..C-1, N at least 1.
        lesions: See ``bootstrap_intervals``.
    """
    truth = np.asarray(labels, dtype=np.int64)
    pairs = np.unique(np.stack([truth, lesion_index(lesions, len(truth))]), axis=1)  # [2, P]
    counts = np.bincount(pairs[0])  # [C]
    return int(counts[counts > 0].min())


def drawn_weights(index: NDArray[np.int64], num_resamples: int, seed: int) -> Iterator[Floats]:
    """Yield how often each sample is drawn: tables [up to B, N], B rows in all."""
    if num_resamples < 1:
        raise ValueError(f"num_resamples must be 1 or more, got {num_resamples}")
    rng, num_lesions = np.random.default_rng(seed), int(index.max()) + 1
    alone = num_lesions == len(index) and bool((index == np.arange(num_lesions)).all())
    step = max(1, _CELLS // len(index))
    for start in range(0, num_resamples, step):
        drawn = _draws(rng, num_lesions, min(step, num_resamples - start))
        yield drawn if alone else drawn[:, index]


def _draws(rng: np.random.Generator, num: int, size: int) -> Floats:
    """Return how often each of ``num`` lesions is among ``num`` draws: [size, num]."""
    if num < _MANY:
        return rng.multinomial(num, np.full(num, 1 / num), size=size).astype(np.float64)
    drawn = np.empty((size, num))
    for row in drawn:
        row[:] = np.bincount(rng.integers(num, size=num), minlength=num)
    return drawn


class WeightedNumbers:
    """The metrics of weighted samples; what doesn't depend on the weights is computed once.

    Args:
        probs: [N, C].
        truth: [N], 0..C-1.
        right: [N], whether the prediction is right.
    """

    def __init__(self, probs: Floats, truth: NDArray[np.int64], right: NDArray[np.bool_]) -> None:
        classes = np.unique(truth)
        self._of_class = (truth[:, None] == classes).astype(np.float64)  # [N, C]
        self._right = self._of_class * right[:, None]
        self._aucs = [WeightedAUC(probs[:, c], truth == c) for c in classes]

    def __call__(self, weights: Floats) -> dict[str, Floats]:
        """Return balanced accuracy, accuracy and macro AUC, [B] each, for weights [B, N]."""
        totals, hits = weights @ self._of_class, weights @ self._right  # [B, C]
        return {
            "balanced_accuracy": _mean(_divide(hits, totals).T),
            "accuracy": hits.sum(axis=1) / totals.sum(axis=1),
            "macro_auc": _mean(np.stack([auc(weights) for auc in self._aucs])),
        }


class WeightedAUC:
    """The area under the ROC curve of weighted samples, whose order is found once.

    It is the fraction of pairs in which the positive has the higher score; ties count half. Only
    places of the fewer of both, positives and negatives, are looked at: what is below such a place
    are sums over the samples between two of them.

    Args:
        scores: [N].
        positive: [N].
    """

    def __init__(self, scores: Floats, positive: NDArray[np.bool_]) -> None:
        self._inverted = 2 * int(positive.sum()) > len(positive)
        fewer = ~positive if self._inverted else positive  # [N], M of them
        order = np.argsort(scores, kind="stable")
        ordered, few = scores[order], np.flatnonzero(fewer[order])
        self._few = order[few]  # samples, [M]
        # Groups of equal scores with one of the fewer: where they begin and end in the order, and
        # the first of the fewer in each.
        starts = np.searchsorted(ordered, ordered[few], "left")
        starts, self._first = np.unique(starts, return_index=True)  # [U]
        ends = np.searchsorted(ordered, ordered[starts], "right")  # [U]
        bounds = np.unique(np.concatenate([[0], starts, ends, [len(scores)]]))  # [P + 1]
        self._num_parts = len(bounds) - 1
        self._part = np.empty(len(scores), dtype=np.int64)  # of the order, by sample
        self._part[order] = np.repeat(np.arange(self._num_parts), np.diff(bounds))
        self._below, self._up_to = np.searchsorted(bounds, starts), np.searchsorted(bounds, ends)

    def __call__(self, weights: Floats) -> Floats:
        """Return the area for each row of weights [B, N]: [B].

        It is nan where all positives or all negatives have the weight 0.
        """
        if not len(self._few):
            return np.full(len(weights), np.nan)
        sums = [np.bincount(self._part, row, self._num_parts) for row in weights]
        ends = np.pad(np.cumsum(sums, axis=1), ((0, 0), (1, 0)))  # weight below each part
        few = np.add.reduceat(weights[:, self._few], self._first, axis=1)  # [B, U]
        few_below = np.cumsum(few, axis=1) - few / 2
        below = (ends[:, self._below] + ends[:, self._up_to]) / 2 - few_below
        num_few = few.sum(axis=1)
        area = _divide((few * below).sum(axis=1), num_few * (ends[:, -1] - num_few))
        return 1 - area if self._inverted else area


def _divide(part: Floats, whole: Floats) -> Floats:
    """Return quotients, nan where the denominator is 0."""
    return np.divide(part, whole, out=np.full(part.shape, np.nan), where=whole > 0)


def _mean(table: Floats) -> Floats:
    """Return means over the rows, nan left out; nan for a column of nan only."""
    valid = ~np.isnan(table)
    return _divide(np.where(valid, table, 0).sum(axis=0), valid.sum(axis=0).astype(np.float64))
