"""Balanced accuracy over the number of labels: mean and interval of each arm."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist, mean, variance

from mmselfsup.metrics.classification import standard_error

from ..arm_records import LabelRecord
from ..records import Results, RunRecord
from .statistics import LEVEL

LABELS_NOTE = (
    "Balanced accuracy on the test fold, mean over the draws with a 95 % interval: the sampling "
    "error of the test images and the variance over the draws (all labels: one training, without "
    "the latter). Labels are drawn by whole lesions, class by class, at least one lesion of each, "
    "the same for all arms; a larger part contains a smaller one of the same draw. Pre-trainings "
    "see all training images, without labels. Learning rates are chosen for each arm and part on "
    "the validation lesions, whose labels come on top. A tenth of the labels is trained on for "
    "twice as many epochs."
)


@dataclass(frozen=True)
class LabelPoint:
    """An arm at a number of labels.

    Attributes:
        percent: Part of the labels.
        images: Labelled images, the mean over the draws.
        mean: Mean balanced accuracy over the draws.
        half_width: Half the width of its 95 % interval.
        draws: Number of draws.
    """

    percent: float
    images: float
    mean: float
    half_width: float
    draws: int

    @property
    def text(self) -> str:
        """Return mean and interval for a table."""
        return f"{self.mean:.3f} ± {self.half_width:.3f}"


def label_curves(results: Results) -> dict[str, list[LabelPoint]]:
    """Return the points of each arm by percentage; empty without ``--labels``."""
    if not results.labels:
        return {}
    total = sum(results.split.get("train", {}).values())
    curves = {}
    for run in results.runs:
        own = [record for record in results.labels if record.arm == run.arm]
        percents = sorted({record.percent for record in own})
        points = [
            _point(percent, [record for record in own if record.percent == percent])
            for percent in percents
        ]
        curves[run.arm] = [p for p in (*points, _whole(run, total)) if p is not None]
    return curves


def _point(percent: float, records: Sequence[LabelRecord]) -> LabelPoint | None:
    images = mean(record.images for record in records)
    return _measured(percent, images, records)


def _whole(run: RunRecord, images: int) -> LabelPoint | None:
    return _measured(100.0, images, [run])


def _measured(
    percent: float, images: float, runs: Sequence[LabelRecord | RunRecord]
) -> LabelPoint | None:
    """Return the point of some trainings; None if none has a balanced accuracy."""
    known = [run for run in runs if run.balanced_accuracy is not None]
    if not known:
        return None
    values = [run.balanced_accuracy or 0.0 for run in known]
    square = mean(standard_error(run.confusion_matrix) ** 2 for run in known)
    square += variance(values) / len(values) if len(values) > 1 else 0.0
    half = NormalDist().inv_cdf((1 + LEVEL) / 2) * math.sqrt(square)
    return LabelPoint(percent, images, mean(values), half, len(values))
