"""The numbers of a classifier on a test set of another clinic, and its drop against the own one.

Letters: N images, C classes of the model, K classes of the set.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmselfsup.metrics import (
    ClassMap,
    confusion_matrix,
    expected_calibration_error,
    macro_auc,
    per_class_recall,
    with_temperature,
)
from mmselfsup.metrics.bootstrap import difference_interval, fewest_lesions, resampled_metrics
from mmselfsup.metrics.heads import lesion_keys
from mmselfsup.metrics.subgroups import Measured, subgroup_metrics
from mmselfsup.utils.json_records import from_json

from .external_records import ExternalRecord
from .memo import content_key, remembered
from .step import content

_BALANCED = "balanced_accuracy"
_LEVEL = 0.95
_KEPT = "external_measures.json"
_OWN_SEED = 1  # the resamples of two sets are independent


@dataclass(frozen=True)
class Scored:
    """The scores of a test set.

    Attributes:
        scores: [N, C], of the model's classes.
        labels: [N], numbers of the set's classes.
        class_map: What these mean to the model.
        groups: Lesion or patient of each image, ``''`` where it is not known; None: of no image.
        parts: N cells by what they divide the images by, see ``subgroup_metrics``.
        model_labels: [N], numbers of the model's classes, where they are known.
    """

    scores: NDArray[Any]
    labels: NDArray[np.int64]
    class_map: ClassMap
    groups: Sequence[str] | None
    parts: Mapping[str, Sequence[str]]
    model_labels: NDArray[np.int64] | None = None


def kept_measure(
    folder: Path, arm: str, name: str, scored: Scored, own: Scored | None, temperature: float
) -> ExternalRecord:
    """Return what ``measure`` returns, kept in the folder of the scores until one of these changes.

    The intervals of 400,000 images take a minute for each division of the images.
    """
    parts = [] if own is None else _values(own)
    key = content_key(content(Path(__file__)), arm, name, temperature, *_values(scored), *parts)
    read = partial(from_json, ExternalRecord)
    return remembered(
        folder / _KEPT, key, lambda: asdict(measure(arm, name, scored, own, temperature)), read
    )


def _values(scored: Scored) -> list[Any]:
    return [getattr(scored, field.name) for field in fields(scored)]


def measure(
    arm: str,
    name: str,
    scored: Scored,
    own: Scored | None,
    temperature: float,
    made_by: Mapping[str, Any] | None = None,
) -> ExternalRecord:
    """Measure an arm on a set.

    Args:
        arm: The arm.
        name: Name of the set.
        scored: Its scores.
        own: The scores of the study's own test fold; None: the set is this fold.
        temperature: See ``with_temperature``.
        made_by: See ``ExternalRecord``.
    """
    probs, labels = scored.class_map.join(scored.scores), scored.labels
    keys = lesion_keys(scored.groups)
    draws = resampled_metrics(probs, labels, keys)
    recalls = _recalls(probs, labels)
    values = {
        _BALANCED: float(np.nanmean(recalls)),
        "accuracy": float((probs.argmax(axis=1) == labels).mean()),
        "macro_auc": macro_auc(probs, labels),
    }
    measured = {key: _measured(value, draws[key]) for key, value in values.items()}
    before, drop = (None, None) if own is None else _drop(scored, own, values, draws)
    scaled = scored.class_map.join(with_temperature(scored.scores, temperature))
    names = scored.class_map.classes
    return ExternalRecord(
        arm=arm,
        external=name,
        images=len(labels),
        balanced_accuracy=measured[_BALANCED],
        accuracy=measured["accuracy"],
        macro_auc=measured["macro_auc"],
        own=before,
        drop=drop,
        ece=expected_calibration_error(probs, labels),
        scaled_ece=expected_calibration_error(scaled, labels),
        temperature=temperature,
        recall={n: _known(float(r)) for n, r in zip(names, recalls, strict=True)},
        subgroups=subgroup_metrics(probs, labels, scored.parts, keys),
        made_by=made_by,
        fewest_lesions=fewest_lesions(labels, keys),
    )


def _drop(
    scored: Scored, own: Scored, values: Mapping[str, float], draws: Mapping[str, NDArray[Any]]
) -> tuple[Measured | None, Measured | None]:
    """Return the balanced accuracy on the own test fold with the set's classes, and the drop."""
    assert own.model_labels is not None
    numbers = scored.class_map.labels_of_model(own.model_labels)
    chosen = np.flatnonzero(numbers >= 0)
    # A class that the own fold has no image of would make the two means those of other classes.
    if set(numbers[chosen].tolist()) != set(range(len(scored.class_map.classes))):
        return None, None
    probs, labels = scored.class_map.join(own.scores[chosen]), numbers[chosen]
    all_keys = lesion_keys(own.groups)
    keys = None if all_keys is None else [all_keys[i] for i in chosen]
    other = resampled_metrics(probs, labels, keys, seed=_OWN_SEED)[_BALANCED]
    value = float(np.nanmean(_recalls(probs, labels)))
    ends = difference_interval(other, draws[_BALANCED], _LEVEL)
    return _measured(value, other), Measured(value - values[_BALANCED], *ends)


def _recalls(probs: NDArray[Any], labels: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the recalls [K]; NaN for a class without images."""
    return per_class_recall(confusion_matrix(probs, labels, probs.shape[1]))


def _measured(value: float, draws: NDArray[Any]) -> Measured:
    """Return a metric with the middle 95 % of its resamples."""
    if math.isnan(value):
        return Measured(None)
    return Measured(value, *difference_interval(draws, np.zeros_like(draws), _LEVEL))


def _known(value: float) -> float | None:
    return None if math.isnan(value) else value
