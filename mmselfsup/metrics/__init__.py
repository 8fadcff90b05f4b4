"""Metrics of a classifier; computed by scikit-learn where it has them.

Letters in this package: N samples, C classes, L lesions, B resamples, M bins. All metrics are
fractions 0..1. nan means "not defined": a class without a sample has no recall.
"""

from .bootstrap import bootstrap_intervals, compare_runs
from .class_map import ClassMap, make_class_map
from .classification import (
    MANY_CLASSES,
    auc_above_sensitivity,
    calibration_bins,
    classification_metrics,
    confusion_matrix,
    detailed_metrics,
    expected_calibration_error,
    finite,
    is_fact,
    macro_auc,
    nested,
    one_against_rest,
    per_class_recall,
    probabilities,
    specificity_above_sensitivity,
)
from .multi_label import multi_label_metrics
from .temperature import fit_temperature, with_temperature
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
    "ClassMap",
    "add_unknown",
    "auc_above_sensitivity",
    "bootstrap_intervals",
    "calibration_bins",
    "classification_metrics",
    "compare_runs",
    "confusion_matrix",
    "detailed_metrics",
    "expected_calibration_error",
    "finite",
    "fit_temperature",
    "is_fact",
    "known_only",
    "macro_auc",
    "make_class_map",
    "multi_label_metrics",
    "nested",
    "one_against_rest",
    "per_class_recall",
    "probabilities",
    "specificity_above_sensitivity",
    "unknown_score",
    "with_temperature",
    "with_unknown",
    "without_threshold",
]
