"""The class "none of the others", for classifiers that were trained without it.

Letters: N samples, C known classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mmselfsup.utils.errors import UserError

from .classification import probabilities

#: Name of the class; it is the last one.
UNKNOWN = "UNK"


def add_unknown(scores: ArrayLike, threshold: float) -> NDArray[np.float64]:
    """Return probabilities with one class more, predicted where no other reaches a threshold.

    The new column is ``unknown_score``; then rows are scaled to the sum 1 again, because metrics of
    all classes need probabilities. This makes the known ones smaller: for comparisons with 0.5 and
    for the calibration, use ``without_threshold``.

    Args:
        scores: [N, C], logits or probabilities.
        threshold: Threshold t, above 0 and at most 1. Up to 1/C no sample becomes unknown.

    Returns:
        Probabilities [N, C + 1].
    """
    probs = probabilities(scores)
    joined = np.concatenate((probs, unknown_score(probs, threshold)[:, None]), axis=1)  # [N, C + 1]
    return joined / joined.sum(axis=1, keepdims=True)


def unknown_score(probs: NDArray[np.float64], threshold: float) -> NDArray[np.float64]:
    """Return the score of the unknown class beside the probabilities of the known ones.

    With p the highest probability and t the threshold: above p and above 0.5 exactly where p < t.
    It falls from 1 at p = 0 to max(t, 0.5) at t, and from min(t, 0.5) at t to 0 at p = 1, so that
    it ranks samples too: the lower the confidence of the network, the larger.

    Args:
        probs: [N, C], 0..1.
        threshold: Threshold t, above 0 and at most 1.

    Returns:
        [N], 0..1; not a probability: with it the sum of a row is not 1.
    """
    if not 0 < threshold <= 1:
        raise ValueError(f"the threshold must be above 0 and at most 1, got {threshold}")
    highest = probs.max(axis=1)  # [N]
    # Below the threshold: from 1 at p = 0 to max(t, 0.5) at p = t.
    unsure = 1 - highest / threshold * (1 - max(threshold, 0.5))
    rest = np.clip(1 - highest, 0, None)
    # From the threshold on: from min(t, 0.5) to 0 at p = 1.
    sure = min(threshold, 0.5) * (rest / (1 - threshold) if threshold < 1 else rest)
    scores: NDArray[np.float64] = np.where(highest < threshold, unsure, sure)
    return scores


def without_threshold(scores: ArrayLike, threshold: float | None) -> NDArray[np.float64]:
    """Return the probabilities of the network itself, for labels with one class more.

    Args:
        scores: [N, C], logits or probabilities.
        threshold: Threshold of the unknown class; None where there is no such class.

    Returns:
        [N, C], or with a threshold [N, C + 1], the last column 0.
    """
    return np.pad(probabilities(scores), ((0, 0), (0, int(threshold is not None))))


def with_unknown(
    scores: ArrayLike, names: Sequence[str] | None, threshold: float | None
) -> tuple[NDArray[Any], list[str] | None]:
    """Return scores and class names with the unknown class where a threshold adds it.

    Args:
        scores: [N, C].
        names: Names of the classes of the labels; ``UNK`` is the last one where it is a class.
        threshold: See ``add_unknown``; None leaves the scores as they are.

    Returns:
        The scores, with a column for the unknown class where there is a threshold, and the names,
        which then end with ``UNK``.

    Raises:
        UserError: The threshold is out of range or not needed, or there is none and the network
            has no output for ``UNK``.
    """
    values = np.asarray(scores)
    listed = None if names is None else list(names)
    has_unknown = listed is not None and listed[-1] == UNKNOWN
    if threshold is None:
        if has_unknown and listed is not None and values.shape[1] == len(listed) - 1:
            raise UserError(
                f"the labels have {len(listed)} classes, {UNKNOWN} is one of them, the network "
                f"{values.shape[1]}: set evaluation.unk_threshold, or train with {UNKNOWN}"
            )
        return values, listed
    if has_unknown and listed is not None and values.shape[1] == len(listed):
        raise UserError(
            f"evaluation.unk_threshold={threshold}, but the network has an output for {UNKNOWN} "
            "itself: leave the threshold out"
        )
    if listed is not None and not has_unknown:
        listed.append(UNKNOWN)
    try:
        return add_unknown(values, threshold), listed
    except ValueError as error:
        raise UserError(f"evaluation.unk_threshold: {error}") from error


def known_only(
    scores: ArrayLike, labels: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.bool_]]:
    """Return scores and labels without the last class: its column, and its samples.

    Args:
        scores: [N, C + 1], logits or probabilities.
        labels: [N], 0..C.

    Returns:
        Probabilities [K, C] scaled to the sum 1, labels [K], and which samples remain, [N].
    """
    probs, truth = probabilities(scores)[:, :-1], np.asarray(labels)
    known = truth < probs.shape[1]  # [N]
    probs = probs[known]
    sums = probs.sum(axis=1, keepdims=True)
    even = np.full_like(probs, 1 / probs.shape[1])  # where the unknown class had all of it
    return np.divide(probs, sums, out=even, where=sums > 0), truth[known].astype(np.int64), known
