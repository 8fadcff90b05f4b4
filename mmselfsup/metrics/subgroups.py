"""Metrics of parts of a test set: by age, sex, site, source, skin tone.

Letters: N samples, K classes.
"""

from __future__ import annotations

import math
import re
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mmselfsup.utils.patients import NO_VALUE, OLDEST
from mmselfsup.utils.text_numbers import number_in

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
_AGE = r"(\d+(?:\.\d+)?)"
_YEARS = re.compile(rf"{_AGE} *(y|yrs?|years?|m|months?|w|weeks?|d|days?)")
_PER_YEAR = {"y": 1.0, "m": 12.0, "w": 52.0, "d": 365.0}
_RANGE = re.compile(rf"[\[(]?{_AGE} *(?:-|\N{{EN DASH}}|to) *{_AGE}[\])]?")
_FROM = re.compile(rf"(?:>=?|\N{{GREATER-THAN OR EQUAL TO}}|over) *{_AGE}|{_AGE} *\+")
_BELOW = re.compile(rf"(<=|<|\N{{LESS-THAN OR EQUAL TO}}|under|below) *{_AGE}")


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

    Ages are joined to groups of years, also those that a table gives as a range (``80-84``,
    ``85+``, ``<20``) or with their unit (``045Y`` of DICOM), as far as one group holds all of the
    range; other ranges and words (``adult``) are parts of their own. Numbers such as ``3.0`` lose
    their fraction; other words are taken in small letters.
    """
    text = text.strip().lower()
    if text in _NOT_KNOWN:
        return UNKNOWN
    if kind == AGE:
        return _age_group(text)
    number = number_in(text)
    if number is None:
        return text
    if not math.isfinite(number):
        return UNKNOWN
    return str(int(number)) if number.is_integer() else repr(number)


def _age_group(text: str) -> str:
    """Return the group of an age, or of a range of ages."""
    number, low, high = number_in(text), 0.0, float(OLDEST)
    if number is not None:
        low = high = number
    elif found := _YEARS.fullmatch(text):
        low = high = float(found[1]) / _PER_YEAR[found[2][:1]]
    elif found := _RANGE.fullmatch(text):
        low, high = float(found[1]), float(found[2])
    elif found := _FROM.fullmatch(text):
        low = float(found[1] or found[2])
    elif found := _BELOW.fullmatch(text):
        high = float(found[2]) - (1 if found[1] in ("<", "under", "below") else 0)
    else:
        return text
    if not 0 <= low <= high <= OLDEST:
        return UNKNOWN
    bounds = (0, *AGE_STEPS)
    at, end = (sum(age >= step for step in AGE_STEPS) for age in (low, high))
    if at < end:
        return text.replace("\N{EN DASH}", "-").replace(" ", "")
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
