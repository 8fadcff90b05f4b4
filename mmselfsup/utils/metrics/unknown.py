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

    With p the highest of the C probabilities and t the threshold, the new column is t * (t / p):
    above p exactly where p < t, and the larger the less sure the network is, so that it ranks
    samples too. Rows are scaled to the sum 1 again.

    Args:
        scores: [N, C], logits or probabilities.
        threshold: t, above 0 and at most 1. Up to 1/C nothing becomes unknown.

    Returns:
        Probabilities [N, C + 1].
    """
    if not 0 < threshold <= 1:
        raise ValueError(f"the threshold must be above 0 and at most 1, got {threshold}")
    probs = probabilities(scores)
    unknown = threshold * (threshold / probs.max(axis=1, keepdims=True))  # [N, 1]
    joined = np.concatenate((probs, unknown), axis=1)  # [N, C + 1]
    return joined / joined.sum(axis=1, keepdims=True)


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
