"""Standard errors over lesions against the older formula and against bootstraps."""

import numpy as np
import pytest

from mmselfsup.metrics.bootstrap import resampled_metrics
from mmselfsup.metrics.classification import confusion_matrix, standard_error
from mmselfsup.metrics.sampling_error import sampling_errors

LESIONS = np.repeat(np.arange(160), 4)  # four images each, all of one class
LABELS = LESIONS % 4


def scores_of(seed: int) -> np.ndarray:
    """Return scores whose errors are alike within lesions, and between classifiers."""
    shared, own = np.random.default_rng(99), np.random.default_rng(seed)
    scores = own.normal(size=(len(LABELS), 4))
    scores += shared.normal(size=(160, 4))[LESIONS] + own.normal(size=(160, 4))[LESIONS]
    scores[np.arange(len(LABELS)), LABELS] += 2
    return scores


def test_an_image_per_lesion_has_the_binomial_error() -> None:
    scores = scores_of(1)
    matrix = confusion_matrix(scores, LABELS, 4).tolist()
    assert sampling_errors({"a": scores}, LABELS)["a"]["a"] == pytest.approx(standard_error(matrix))


def test_errors_are_those_of_a_bootstrap_over_lesions() -> None:
    scores = {"a": scores_of(1), "b": scores_of(2)}
    lesions = LESIONS.tolist()
    errors = sampling_errors(scores, LABELS, lesions)
    draws = {
        name: resampled_metrics(values, LABELS, lesions, 1000)["balanced_accuracy"]
        for name, values in scores.items()
    }
    assert errors["a"]["a"] == pytest.approx(draws["a"].std(), rel=0.08)
    assert errors["a"]["b"] == pytest.approx((draws["a"] - draws["b"]).std(), rel=0.08)
    assert errors["a"]["b"] == errors["b"]["a"]
    by_image = sampling_errors(scores, LABELS)["a"]["a"]
    assert errors["a"]["a"] > 1.3 * by_image


def test_no_error_of_a_small_class_is_zero() -> None:
    perfect = np.eye(3)[[0, 0, 1]]
    errors = sampling_errors({"a": perfect, "b": perfect}, [0, 0, 1])  # class 2 has no image
    assert errors["a"]["a"] > 0.15
    assert errors["a"]["b"] > 0.15
    assert sampling_errors({}, []) == {}
