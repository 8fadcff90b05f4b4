"""The metrics against an independent slow computation, and at the edges."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmselfsup.metrics import (
    classification_metrics,
    confusion_matrix,
    macro_auc,
    per_class_recall,
    probabilities,
)
from mmselfsup.metrics.classification import _warn_absent


def slow_ece(probs: np.ndarray, guesses: list[int], labels: np.ndarray) -> float:
    """Guo et al. 2017, equation 3, with 15 bins, by a loop over bins and samples."""
    error = 0.0
    for m in range(15):
        inside = [
            i
            for i, row in enumerate(probs)
            if m / 15 < max(row) <= (m + 1) / 15 or (m == 0 and max(row) == 0)
        ]
        if inside:
            right = sum(guesses[i] == labels[i] for i in inside) / len(inside)
            sure = sum(max(probs[i]) for i in inside) / len(inside)
            error += len(inside) / len(probs) * abs(right - sure)
    return error


def slow_metrics(scores: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """The definitions, by loops over samples and pairs of samples."""
    num_samples, num_classes = scores.shape
    probs = np.zeros_like(scores, dtype=float)
    for i in range(num_samples):
        exps = [np.exp(s - max(scores[i])) for s in scores[i]]
        probs[i] = [e / sum(exps) for e in exps]
    if scores.min() >= 0 and all(abs(sum(row) - 1) < 1e-3 for row in scores):
        probs = scores.astype(float)  # probabilities are taken as they are
    guesses = [list(row).index(max(row)) for row in scores]
    recalls, aucs = {}, []
    for c in range(num_classes):
        mine = [i for i in range(num_samples) if labels[i] == c]
        rest = [i for i in range(num_samples) if labels[i] != c]
        recalls[c] = sum(guesses[i] == c for i in mine) / len(mine) if mine else float("nan")
        if mine and rest:
            wins = [
                1.0 if probs[i, c] > probs[j, c] else 0.5 if probs[i, c] == probs[j, c] else 0.0
                for i in mine
                for j in rest
            ]
            aucs.append(sum(wins) / len(wins))
    valid = [r for r in recalls.values() if r == r]
    return {
        "balanced_accuracy": sum(valid) / len(valid),
        "accuracy": sum(g == t for g, t in zip(guesses, labels, strict=True)) / num_samples,
        "macro_auc": sum(aucs) / len(aucs) if aucs else float("nan"),
        "ece": slow_ece(probs, guesses, labels),
        "num_classes": num_classes,
        **{f"recall_{c}": r for c, r in recalls.items()},
    }


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 25), st.integers(2, 6), st.booleans())
def test_equals_slow_computation(seed: int, num: int, num_classes: int, rounded: bool) -> None:
    rng = np.random.default_rng(seed)
    scores = rng.normal(size=(num, num_classes)) * 3
    if rounded:  # many ties, within and between samples
        scores = scores.round(0)
    labels = rng.integers(num_classes, size=num)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fast = classification_metrics(scores, labels)
    slow = slow_metrics(scores, labels)
    assert fast.keys() == slow.keys()
    for key, value in slow.items():
        np.testing.assert_allclose(fast[key], value, atol=1e-9, err_msg=key)


def test_constant_scores_are_chance() -> None:
    result = classification_metrics(np.zeros((6, 3)), np.array([0, 0, 0, 1, 1, 2]), "abc")
    assert result["macro_auc"] == 0.5
    assert result["balanced_accuracy"] == pytest.approx(1 / 3)
    assert result["accuracy"] == 0.5
    assert [result[f"recall_{c}"] for c in "abc"] == [1, 0, 0]


def test_class_without_samples_is_left_out_and_named_once() -> None:
    _warn_absent.cache_clear()
    scores, labels = np.eye(4)[[0, 1, 1]], np.array([0, 1, 0])
    with pytest.warns(UserWarning, match="c, d"):
        result = classification_metrics(scores, labels, "abcd")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        classification_metrics(scores, labels, "abcd")
    assert np.isnan(result["recall_c"])
    assert result["balanced_accuracy"] == 0.75


def test_single_class_has_no_auc() -> None:
    assert np.isnan(macro_auc(np.eye(2)[[0, 0]], np.array([0, 0])))


def test_probabilities_are_kept_and_logits_are_softmaxed() -> None:
    probs = np.array([[0.2, 0.8], [0.6, 0.4]], dtype=np.float16)
    np.testing.assert_array_equal(probabilities(probs), probs.astype(float))
    logits = np.array([[1000.0, 1000.0], [0.0, -1000.0]])
    np.testing.assert_allclose(probabilities(logits), [[0.5, 0.5], [1, 0]])


def test_auc_does_not_change_with_a_shift_of_a_samples_logits() -> None:
    rng = np.random.default_rng(0)
    logits, labels = rng.normal(size=(40, 3)), np.arange(40) % 3
    shifted = logits + rng.normal(size=(40, 1)) * 100
    assert macro_auc(shifted, labels) == pytest.approx(macro_auc(logits, labels))


def test_confusion_matrix_has_the_truth_in_rows() -> None:
    matrix = confusion_matrix(np.eye(3)[[1, 1, 2]], np.array([0, 1, 2]), 3)
    np.testing.assert_array_equal(matrix, [[0, 1, 0], [0, 1, 0], [0, 0, 1]])
    np.testing.assert_array_equal(per_class_recall(matrix), [0, 1, 1])
    with pytest.raises(ValueError, match="4 are expected"):
        confusion_matrix(np.eye(3), np.arange(3), 4)


def test_many_classes_give_the_detail_only_when_asked() -> None:
    scores, labels = np.eye(120), np.arange(120)
    assert set(classification_metrics(scores, labels)) == {
        "balanced_accuracy",
        "accuracy",
        "num_classes",
    }
    detailed = classification_metrics(scores, labels, detailed=True)
    assert len(detailed) == 125
    assert detailed["recall_119"] == detailed["macro_auc"] == 1


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_scores_that_are_no_numbers_are_refused(bad: float) -> None:
    scores = np.zeros((3, 2))
    scores[1, 0] = bad
    with pytest.raises(ValueError, match="1 of 3 samples"):
        classification_metrics(scores, np.array([0, 1, 0]))


@pytest.mark.parametrize(
    ("scores", "labels", "message"),
    [
        (np.zeros((0, 2)), np.zeros(0, int), r"\[N, C\]"),
        (np.zeros(3), np.zeros(3, int), r"\[N, C\]"),
        (np.zeros((3, 2)), np.zeros(2, int), "3 scores"),
        (np.zeros((3, 2)), np.array([0, 1, 2]), r"0\.\.1"),
        (np.zeros((3, 2)), np.array([0, -1, 1]), r"-1\.\.1"),
        (np.zeros((3, 2)), np.array([0.0, 1.0, 1.0]), "integers"),
    ],
)
def test_misshapen_input_is_refused(scores: np.ndarray, labels: np.ndarray, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        classification_metrics(scores, labels)


def test_names_must_fit() -> None:
    with pytest.raises(ValueError, match="2 class names"):
        classification_metrics(np.eye(3), np.arange(3), ["a", "b"])
