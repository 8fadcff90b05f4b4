"""The balanced probe is a minimum, independent of class counts and scale.

Its penalty is chosen without test samples.
"""

import numpy as np
import pytest
from numpy.typing import NDArray

from mmselfsup.evaluation.features import LabelledFeatures
from mmselfsup.evaluation.linear_probe import (
    choose_penalty,
    evaluate_probe,
    fit_probe,
    probe_scores,
)
from mmselfsup.utils.errors import UserError


def draw(counts: list[int], gap: float = 2.0) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    labels = np.repeat(np.arange(len(counts)), counts)
    features = np.random.standard_normal((len(labels), 5)).astype(np.float32)
    features[np.arange(len(labels)), labels] += gap
    return features, labels


def data(gap: float = 2.0) -> LabelledFeatures:
    return LabelledFeatures(*draw([60, 10, 5], gap), *draw([30, 30, 30], gap))


def balanced_loss(
    weight: NDArray[np.float64],
    bias: NDArray[np.float64],
    features: NDArray[np.float64],
    labels: NDArray[np.int64],
    penalty: float,
) -> float:
    """Cross-entropy of each sample over the size of its class, and the penalty on the weights."""
    counts, total = np.bincount(labels), 0.0
    for row, label in zip(features, labels, strict=True):
        logits = weight @ row + bias
        nll = np.log(np.exp(logits - logits.max()).sum()) + logits.max() - logits[label]
        total += len(labels) / (len(counts) * counts[label]) * nll
    return penalty * total + 0.5 * float((weight**2).sum())


def test_it_is_the_minimum_of_the_balanced_loss() -> None:
    features, labels = draw([60, 10, 5])
    scaled = (features - features.mean(0, dtype=np.float64)) / features.std(0, dtype=np.float64)
    probe = fit_probe(features, labels, 0.1)[-1]
    best = balanced_loss(probe.coef_, probe.intercept_, scaled, labels, 0.1)
    for _ in range(20):
        weight = probe.coef_ + 0.02 * np.random.standard_normal(probe.coef_.shape)
        bias = probe.intercept_ + 0.02 * np.random.standard_normal(3)
        assert balanced_loss(weight, bias, scaled, labels, 0.1) > best


def test_scale_and_offset_do_not_count() -> None:
    plain = data()
    scale = np.array([1, 100, 0.01, 3, 5], dtype=np.float32)
    moved = LabelledFeatures(
        plain.train * scale + 7, plain.train_labels, plain.test * scale + 7, plain.test_labels
    )
    np.testing.assert_allclose(probe_scores(plain), probe_scores(moved), atol=1e-3)


def test_metrics_and_a_class_without_training_samples() -> None:
    plain = data(gap=8.0)
    names = ["a", "b", "c", "never"]
    named = LabelledFeatures(
        plain.train, plain.train_labels, plain.test, plain.test_labels, classes=names
    )
    with pytest.warns(UserWarning, match="never"):
        found = evaluate_probe(named)
    assert found["balanced_accuracy"] == 1.0
    assert probe_scores(named)[:, 3].max() == 0


def test_penalty_is_chosen_on_training_samples() -> None:
    plain = data()
    best, tried = choose_penalty(plain, [1e-6, 0.1])
    assert set(tried) == {1e-6, 0.1}
    assert tried[best] == max(tried.values())
    blind = LabelledFeatures(
        plain.train, plain.train_labels, np.zeros_like(plain.test), plain.test_labels
    )
    assert choose_penalty(blind, [1e-6, 0.1]) == (best, tried)


def test_bad_input() -> None:
    with pytest.raises(UserError, match="-C -1"):
        probe_scores(data(), -1)
    lonely = LabelledFeatures(*draw([5, 1]), *draw([3, 3]))
    with pytest.raises(UserError, match="one training sample only"):
        choose_penalty(lonely, [0.1, 1])
    with pytest.raises(UserError, match="-C nan"):
        probe_scores(data(), float("nan"))
    few = LabelledFeatures(*(np.eye(16, dtype=np.float32), np.arange(16) % 8) * 2)
    with pytest.raises(UserError, match=r"16 training samples are 4, too few .* of 8 classes"):
        choose_penalty(few, [0.1, 1])
