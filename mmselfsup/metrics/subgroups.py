"""Metrics of parts of a test set: by age, sex, site, source, skin tone.

Letters: N samples, K classes.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mmselfsup.utils.patients import NO_VALUE

from .bootstrap import bootstrap_intervals
from .classification import confusion_matrix, macro_auc, per_class_recall

AGE = "age"
UNKNOWN = "not known"
#: First year of each group of ages after the first.
AGE_STEPS = (30, 50, 70)
#: Images of a part from which on it is measured, and lesions or patients from which on it has
#: intervals: the numbers of fewer say nothing, and resamples of fewer vary too little.
FEWEST = 20
_NOT_KNOWN = (*NO_VALUE, "unknown", "-1", "-1.0")


@dataclass(frozen=True)
class Measured:
    """A number with its 95 % interval; None: not defined, or not measured."""

    value: float | None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Subgroup:
    """The metrics of a part of a test set.

    Attributes:
        kind: What divides the images, such as ``sex``.
        name: The part, such as ``female``.
        images: Its images.
        classes: Classes that it has images of; the metrics are means over these.
        balanced_accuracy, macro_auc: Not measured below ``FEWEST`` images; without intervals below
            ``FEWEST`` lesions.
    """

    kind: str
    name: str
    images: int
    classes: int
    balanced_accuracy: Measured
    macro_auc: Measured


def group_of(kind: str, text: str) -> str:
    """Return the part that a cell of a table belongs to.

    Ages are joined to groups of years; numbers such as ``3.0`` lose their fraction; other words are
    taken in small letters.
    """
    text = text.strip().lower()
    if text in _NOT_KNOWN:
        return UNKNOWN
    try:
        number = float(text)
    except ValueError:
        return UNKNOWN if kind == AGE else text
    if not math.isfinite(number):
        return UNKNOWN
    if kind != AGE:
        return f"{number:g}"
    bounds = (0, *AGE_STEPS)
    at = sum(number >= step for step in AGE_STEPS)
    return f"{bounds[at]}-{bounds[at + 1] - 1}" if at < len(AGE_STEPS) else f"{bounds[at]}+"


def subgroup_metrics(
    scores: ArrayLike,
    labels: ArrayLike,
    parts: Mapping[str, Sequence[str]],
    lesions: Sequence[Hashable] | None = None,
    num_resamples: int = 1000,
) -> list[Subgroup]:
    """Measure each part of a test set.

    Args:
        scores: [N, K], logits or probabilities.
        labels: [N], 0..K-1.
        parts: For each kind of division N cells of its column, see ``group_of``. A kind with one
            value is left out.
        lesions: Key of the lesion or patient of each sample; see ``bootstrap_intervals``.
        num_resamples: See ``bootstrap_intervals``.

    Returns:
        The parts of each kind, in the order of their names; "not known" last.
    """
    values, truth = np.asarray(scores), np.asarray(labels)
    found = []
    for kind, cells in parts.items():
        groups = np.array([group_of(kind, cell) for cell in cells])
        names = sorted(set(groups.tolist()), key=lambda name: (name == UNKNOWN, name))
        if len(set(names) - {UNKNOWN}) < 2:
            continue
        for name in names:
            chosen = np.flatnonzero(groups == name)
            keys = None if lesions is None else [lesions[i] for i in chosen.tolist()]
            found.append(_measure(kind, name, values[chosen], truth[chosen], keys, num_resamples))
    return found


def _measure(
    kind: str,
    name: str,
    scores: NDArray[np.float64],
    labels: NDArray[np.int64],
    lesions: Sequence[Hashable] | None,
    num_resamples: int,
) -> Subgroup:
    """Measure one part."""
    present = np.unique(labels)
    if len(labels) < FEWEST:
        nothing = Measured(None)
        return Subgroup(kind, name, len(labels), len(present), nothing, nothing)
    ends: Mapping[str, tuple[float, ...]] = {}
    if lesions is None or len(set(lesions)) >= FEWEST:
        ends = bootstrap_intervals(scores, labels, lesions, num_resamples)
    recalls = per_class_recall(confusion_matrix(scores, labels, scores.shape[1]))
    auc = macro_auc(scores, labels)
    area = Measured(None) if math.isnan(auc) else Measured(auc, *ends.get("macro_auc", ()))
    accuracy = Measured(float(np.nanmean(recalls)), *ends.get("balanced_accuracy", ()))
    return Subgroup(kind, name, len(labels), len(present), accuracy, area)
