"""Standard errors over lesions against the older formula and against bootstraps."""

import math

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


def slow_error(values: np.ndarray, labels: list[int], lesions: list[str], added: float) -> float:
    """Return the error of a mean over classes of values, step by step as the docstring says.

    ``added``: 1 for hits, 0 for differences; two images of a class, each a lesion of its own.
    """
    classes, parts, more = sorted(set(labels)), {}, 0.0
    for c in classes:
        own = [i for i, label in enumerate(labels) if label == c]
        count, groups = len(own) + 2, {lesions[i] for i in own}
        mean = (sum(values[i] for i in own) + added) / count
        few = 1 < len(groups) < len(own)
        factor = math.sqrt(len(groups) / (len(groups) - 1)) if few else 1.0
        residuals = {i: (values[i] - mean) / count for i in own}
        for i, residual in residuals.items():
            parts[c, lesions[i]] = parts.get((c, lesions[i]), 0.0) + factor * residual
        pair = (0.0, 1.0) if added else (-(0.5**0.5), 0.5**0.5)
        more += sum((value - mean) ** 2 for value in pair) / count**2
        if len(groups) == 1:
            by_image = sum(residual**2 for residual in residuals.values())
            more += max(by_image - sum(residuals.values()) ** 2, 0.0)
    sums = [sum(parts.get((c, lesion), 0.0) for c in classes) for lesion in set(lesions)]
    return math.sqrt(sum(value**2 for value in sums) + more) / len(classes)


def test_few_lesions_of_a_class_against_a_slow_reference() -> None:
    """Class 0 has three lesions, class 1 one, class 2 an image per lesion, class 3 no image."""
    labels = [0] * 9 + [1] * 6 + [2] * 4 + [4] * 5
    lesions = [*"aaaabbbcc", *"dddddd", *"aefg", *"bbhhi"]  # patients may have several classes
    rng = np.random.default_rng(3)
    scores = {name: rng.normal(size=(len(labels), 5)) + 1.5 * np.eye(5)[labels] for name in "ab"}
    hits = {name: (values.argmax(axis=1) == labels) * 1.0 for name, values in scores.items()}
    errors = sampling_errors(scores, labels, lesions)
    for name in "ab":
        expected = slow_error(hits[name], labels, lesions, 1.0)
        assert errors[name][name] == pytest.approx(expected, rel=1e-12)
    expected = slow_error(hits["a"] - hits["b"], labels, lesions, 0.0)
    assert errors["a"]["b"] == errors["b"]["a"] == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(("count", "wanted"), [(2, 0.77), (3, 0.85)])
def test_few_lesions_a_class_are_covered_as_often_as_can_be(count: int, wanted: float) -> None:
    """Without the factor it were 71 % with two lesions a class, and 82 % with three."""
    rng = np.random.default_rng(0)
    lesions = np.repeat(np.arange(3 * count), 20)
    labels = lesions % 3
    inside = []
    for _ in range(800):
        hit = rng.random(len(labels)) < rng.beta(1.05, 0.45, 3 * count)[lesions]
        scores = np.eye(3)[np.where(hit, labels, (labels + 1) % 3)]
        error = sampling_errors({"a": scores}, labels, lesions.tolist())["a"]["a"]
        recall = np.mean([hit[labels == c].mean() for c in range(3)])
        inside.append(abs(recall - 0.7) < 1.96 * error)
    assert np.mean(inside) > wanted


def test_one_lesion_has_at_least_the_error_of_its_images() -> None:
    labels = [0] * 40 + [1] * 40
    scores = np.eye(2)[[0] * 30 + [1] * 50]  # 30 of 40, and all
    by_image = sampling_errors({"a": scores}, labels)["a"]["a"]
    assert sampling_errors({"a": scores}, labels, labels)["a"]["a"] >= by_image
