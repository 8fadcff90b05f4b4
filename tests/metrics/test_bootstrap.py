"""Bootstrap over lesions and the comparison of two runs, against slow loops and known answers."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmselfsup.metrics import bootstrap, bootstrap_intervals, classification_metrics, compare_runs
from mmselfsup.metrics.bootstrap import (
    WeightedAUC,
    WeightedNumbers,
    drawn_weights,
    fewest_lesions,
    lesion_index,
)
from mmselfsup.metrics.heads import head_numbers

KEYS = ("balanced_accuracy", "accuracy", "macro_auc")


def quiet(scores: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return classification_metrics(scores, labels)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 12), st.booleans())
def test_weights_are_repetitions(seed: int, num: int, ties: bool) -> None:
    rng = np.random.default_rng(seed)
    scores = rng.random((num, 3)) + 0.01
    scores = scores.round(1) + 0.1 if ties else scores
    scores /= scores.sum(axis=1, keepdims=True)
    labels = rng.integers(3, size=num)
    weights = rng.integers(0, 3, size=(5, num)).astype(float)
    weights[:, 0] += 1
    right = scores.argmax(axis=1) == labels
    fast = WeightedNumbers(scores, labels, right)(weights)
    for row, times in enumerate(weights.astype(int)):
        slow = quiet(scores.repeat(times, axis=0), labels.repeat(times))
        for key in KEYS:
            np.testing.assert_allclose(fast[key][row], slow[key], atol=1e-9, err_msg=key)


def test_whole_lesions_are_drawn() -> None:
    index = lesion_index(["a", "b", "a", 7, "b"], 5)
    assert index.tolist() == [0, 1, 0, 2, 1]
    for weights in drawn_weights(index, 20, 0):
        assert (weights[:, [0, 1, 3]].sum(axis=1) == 3).all()
        assert (weights[:, 0] == weights[:, 2]).all()
        assert (weights[:, 1] == weights[:, 4]).all()


def test_interval_is_that_of_a_slow_bootstrap() -> None:
    rng = np.random.default_rng(0)
    labels, lesions = rng.integers(3, size=60), rng.integers(25, size=60).tolist()
    scores = rng.random((60, 3)) + np.eye(3)[labels] / 2
    found = bootstrap_intervals(scores, labels, lesions, num_resamples=2000)
    names, slow = sorted(set(lesions)), []
    for _ in range(150):
        drawn = rng.choice(names, len(names))
        rows = np.concatenate([np.flatnonzero(np.array(lesions) == name) for name in drawn])
        slow.append([quiet(scores[rows], labels[rows])[key] for key in KEYS])
    for key, values in zip(KEYS, np.transpose(slow), strict=True):
        np.testing.assert_allclose(found[key], np.quantile(values, (0.025, 0.975)), atol=0.06)
    assert bootstrap_intervals(scores, labels, lesions) == bootstrap_intervals(
        scores, labels, lesions
    )


def test_copies_of_an_image_add_no_certainty() -> None:
    rng = np.random.default_rng(1)
    labels = rng.integers(2, size=40)
    scores = rng.random((40, 2))
    alone = bootstrap_intervals(scores, labels)["accuracy"]
    copied = bootstrap_intervals(
        scores.repeat(9, axis=0), labels.repeat(9), np.arange(40).repeat(9).tolist()
    )["accuracy"]
    assert copied == pytest.approx(alone)


def test_degenerate_intervals() -> None:
    perfect = bootstrap_intervals(np.eye(2), np.arange(2))
    assert perfect["accuracy"] == (1, 1)
    single = bootstrap_intervals(np.eye(2)[[0, 0]], np.zeros(2, int))
    assert np.isnan(single["macro_auc"]).all()
    with pytest.raises(ValueError, match="3 lesions for 2 samples"):
        bootstrap_intervals(np.eye(2), np.arange(2), ["a", "b", "c"])
    with pytest.raises(ValueError, match="NaN"):
        bootstrap_intervals(np.full((2, 2), np.nan), np.arange(2))


def test_paired_comparison() -> None:
    rng = np.random.default_rng(2)
    labels = rng.integers(3, size=300)
    weak = rng.random((300, 3)) + 0.3 * np.eye(3)[labels]
    strong = weak + 0.4 * np.eye(3)[labels]
    same = compare_runs(weak, weak, labels)
    for key in ("accuracy", "balanced_accuracy"):
        assert same[key] == {"difference": 0, "low": 0, "high": 0, "p_value": 1}
    better = compare_runs(weak, strong, labels)
    for key in KEYS:
        seen = quiet(strong, labels)[key] - quiet(weak, labels)[key]
        assert better[key]["difference"] == pytest.approx(seen)
        assert 0 < better[key]["low"] < seen < better[key]["high"]
    assert better["balanced_accuracy"]["p_value"] == pytest.approx(1 / 1001)
    with pytest.raises(ValueError, match="different shapes"):
        compare_runs(weak, weak[:, :2], labels % 2)


def test_p_value_by_all_exchanges() -> None:
    # Three lesions: one image better, two images better, one worse; 8 exchanges can be listed.
    labels, lesions = np.zeros(4, int), ["a", "b", "b", "c"]
    first, second = np.eye(2)[[1, 1, 1, 0]], np.eye(2)[[0, 0, 0, 1]]
    gains = np.array([1, 2, -1])  # by lesion
    seen = abs(gains.sum())
    signs = np.array(np.meshgrid(*[[-1, 1]] * 3)).reshape(3, -1).T
    fraction = (abs(signs @ gains) >= seen).mean()
    found = compare_runs(first, second, labels, lesions, num_resamples=4000)
    assert found["accuracy"]["difference"] == 0.5
    assert found["accuracy"]["p_value"] == pytest.approx(fraction, abs=0.03)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.integers(2, 14), st.floats(0, 1), st.integers(1, 6))
def test_the_area_of_weighted_samples_counts_pairs(
    seed: int, num: int, rate: float, values: int
) -> None:
    """Few or many positives, few distinct scores: each pair with the product of its weights."""
    rng = np.random.default_rng(seed)
    scores = rng.integers(values, size=num) / 7
    positive = rng.random(num) < rate
    weights = rng.integers(0, 4, size=(3, num)) / 2
    found = WeightedAUC(scores, positive)(weights)
    for row, area in zip(weights, found, strict=True):
        won = total = 0.0
        for i in np.flatnonzero(positive):
            for j in np.flatnonzero(~positive):
                total += row[i] * row[j]
                gained = 0.5 if scores[i] == scores[j] else float(scores[i] > scores[j])
                won += row[i] * row[j] * gained
        np.testing.assert_allclose(area, won / total if total else np.nan, atol=1e-12)


def test_draws_of_many_lesions_are_those_of_few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond a number of lesions they are drawn one by one: the same distribution."""
    monkeypatch.setattr(bootstrap, "_MANY", 5)
    index = lesion_index([0, 1, 2, 3, 4, 4], 6)
    weights = np.concatenate(list(drawn_weights(index, 4000, 0)))
    assert weights.shape == (4000, 6)
    assert (weights[:, :5].sum(axis=1) == 5).all()
    assert (weights[:, 4] == weights[:, 5]).all()
    np.testing.assert_allclose(weights.mean(axis=0), 1, atol=0.05)
    covariance = np.cov(weights[:, :5].T)  # of a multinomial: n p (1 - p), and -n p p
    np.testing.assert_allclose(covariance, np.eye(5) - 0.2, atol=0.06)
    again = np.concatenate(list(drawn_weights(index, 4000, 0)))
    assert (weights == again).all()


def test_the_class_with_the_fewest_lesions() -> None:
    labels, lesions = [0, 0, 0, 2, 2, 2, 2], ["a", "a", "b", "c", "d", "e", "e"]
    assert fewest_lesions(labels, lesions) == 2
    assert fewest_lesions(labels) == 3
    assert fewest_lesions([0, 0, 1], ["a", "a", "a"]) == 1  # a lesion may have two diagnoses
    names = [f"x{number}" if number else "" for number in range(7)]
    numbers = head_numbers(np.eye(3)[labels], np.array(labels), None, names, bootstrap=9)
    assert numbers["interval/fewest_lesions"] == 3
