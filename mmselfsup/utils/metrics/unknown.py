"""The ninth class: "none of the others". Letters: N samples, C known classes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import UserError
from .inputs import probabilities

#: Name of the class; it stands last.
UNKNOWN = "UNK"


def add_unknown(scores: ArrayLike, threshold: float) -> NDArray[np.float64]:
    """Add a class that wins where the highest probability is below a threshold.

    The new column is `unknown_score`; then rows are scaled to the sum 1 again, because metrics of
    all classes want probabilities. That makes the known ones smaller: what compares them with 0.5
    or with how often they are right takes `without_threshold`.

    Args:
        scores: [N, C], logits or probabilities.
        threshold: t, above 0 and at most 1. Up to 1/C nothing becomes unknown.

    Returns:
        Probabilities [N, C + 1].
    """
    probs = probabilities(scores)
    joined = np.concatenate((probs, unknown_score(probs, threshold)[:, None]), axis=1)  # [N, C + 1]
    return joined / joined.sum(axis=1, keepdims=True)


def unknown_score(probs: NDArray[np.float64], threshold: float) -> NDArray[np.float64]:
    """How much speaks for the unknown class beside the probabilities of the known ones.

    With p the highest probability and t the threshold: above p and above 0.5 exactly where p < t.
    It falls from 1 at p = 0 to max(t, 0.5) at t, and from min(t, 0.5) there to 0 at p = 1, so that
    it ranks samples too: the less sure the network, the larger.

    Args:
        probs: [N, C], 0..1.
        threshold: t, above 0 and at most 1.

    Returns:
        [N], 0..1; no probability that would make the sum of a row 1.
    """
    if not 0 < threshold <= 1:
        raise ValueError(f"the threshold must be above 0 and at most 1, got {threshold}")
    highest = probs.max(axis=1)  # [N]
    unsure = 1 - highest / threshold * (1 - max(threshold, 0.5))
    rest = np.clip(1 - highest, 0, None)
    sure = min(threshold, 0.5) * (rest / (1 - threshold) if threshold < 1 else rest)
    scores: NDArray[np.float64] = np.where(highest < threshold, unsure, sure)
    return scores


def without_threshold(scores: ArrayLike, threshold: float | None) -> NDArray[np.float64]:
    """The probabilities as the network gave them, for labels of one class more.

    Args:
        scores: [N, C], logits or probabilities.
        threshold: of the unknown class; None: there is none.

    Returns:
        [N, C], or with a threshold [N, C + 1], the last column 0.
    """
    return np.pad(probabilities(scores), ((0, 0), (0, int(threshold is not None))))


def with_unknown(
    scores: ArrayLike, names: Sequence[str] | None, threshold: float | None
) -> tuple[NDArray[Any], list[str] | None]:
    """Give the scores the classes that they are measured with.

    Args:
        scores: [N, C].
        names: names of the classes that labels stand for; `UNK` is the last where it is one.
        threshold: See `add_unknown`; None leaves the scores as they are.

    Returns:
        The scores, with a column for the unknown class where there is a threshold, and the names,
        which then end with `UNK`.

    Raises:
        UserError: The threshold is of no use, or the network has no output for `UNK` and there is
            no threshold.
    """
    values = np.asarray(scores)
    listed = None if names is None else list(names)
    told = listed is not None and listed[-1] == UNKNOWN
    if threshold is None:
        if told and listed is not None and values.shape[1] == len(listed) - 1:
            raise UserError(
                f"the labels know {len(listed)} classes, {UNKNOWN} is one of them, the network "
                f"{values.shape[1]}: set evaluation.unk_threshold, or train with {UNKNOWN}"
            )
        return values, listed
    if told and listed is not None and values.shape[1] == len(listed):
        raise UserError(
            f"evaluation.unk_threshold={threshold}, but the network has an output for {UNKNOWN} "
            "itself: leave the threshold out"
        )
    if listed is not None and not told:
        listed.append(UNKNOWN)
    try:
        return add_unknown(values, threshold), listed
    except ValueError as error:
        raise UserError(f"evaluation.unk_threshold: {error}") from error


def known_only(
    scores: ArrayLike, labels: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.bool_]]:
    """Leave the last class out: its column, and the samples that are of it.

    Args:
        scores: [N, C + 1], logits or probabilities.
        labels: [N], 0..C.

    Returns:
        Probabilities [K, C] scaled to the sum 1, labels [K], and which samples were kept, [N].
    """
    probs, truth = probabilities(scores)[:, :-1], np.asarray(labels)
    kept = truth < probs.shape[1]  # [N]
    probs = probs[kept]
    sums = probs.sum(axis=1, keepdims=True)
    even = np.full_like(probs, 1 / probs.shape[1])  # where all weight lay on the unknown class
    return np.divide(probs, sums, out=even, where=sums > 0), truth[kept].astype(np.int64), kept
