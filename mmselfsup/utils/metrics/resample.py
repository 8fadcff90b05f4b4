"""Resamples of lesions, and metrics of weighted samples.

Letters: N samples, C classes, L lesions, B resamples, U distinct scores.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
_CELLS = 2**22  # numbers in a table of weights at a time: 32 MB


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
