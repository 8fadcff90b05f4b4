"""Metrics of a single-label classifier; computed by scikit-learn where it has them.

Letters in this package: N samples, C classes, L lesions, B resamples, M bins. All metrics are
fractions 0..1. nan means "not defined": a class without a sample has no recall.
"""

from .calibration import calibration_bins, expected_calibration_error
from .details import detailed_metrics, nested
from .inputs import probabilities
from .intervals import bootstrap_intervals, compare_runs
from .one_class import auc_above_sensitivity, one_against_rest, specificity_above_sensitivity
from .summary import (
    MANY_CLASSES,
    classification_metrics,
    confusion_matrix,
    macro_auc,
    per_class_recall,
)
from .unknown import (
    UNKNOWN,
    add_unknown,
    known_only,
    unknown_score,
    with_unknown,
    without_threshold,
)

__all__ = [
    "MANY_CLASSES",
    "UNKNOWN",
    "add_unknown",
    "auc_above_sensitivity",
    "bootstrap_intervals",
    "calibration_bins",
    "classification_metrics",
    "compare_runs",
    "confusion_matrix",
    "detailed_metrics",
    "expected_calibration_error",
    "known_only",
    "macro_auc",
    "nested",
    "one_against_rest",
    "per_class_recall",
    "probabilities",
    "specificity_above_sensitivity",
    "unknown_score",
    "with_unknown",
    "without_threshold",
]
