"""One class against the rest, and all details, against independent slow computations."""

from __future__ import annotations

import itertools
import math
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from mmselfsup.metrics import (
    auc_above_sensitivity,
    classification_metrics,
    detailed_metrics,
    nested,
    one_against_rest,
    probabilities,
    specificity_above_sensitivity,
)


def slow_points(probs: np.ndarray, positive: np.ndarray) -> list[tuple[float, float]]:
    """The ROC curve: a point for every threshold, by counting."""
    points = [(0.0, 0.0)]
    for t in sorted(set(probs.tolist()), reverse=True):
        tpr = sum(p >= t for p, y in zip(probs, positive, strict=True) if y) / positive.sum()
        fpr = sum(p >= t for p, y in zip(probs, positive, strict=True) if not y)
        points.append((fpr / (~positive).sum(), tpr))
    return points


def slow_areas(probs: np.ndarray, positive: np.ndarray, s: float) -> tuple[float, float]:
    """Right area under the curve, and mean specificity, both from sensitivity s, piece by piece."""
    right = above = 0.0
    points = slow_points(probs, positive)
    for (x0, y0), (x1, y1) in itertools.pairwise(points):
        if y1 < s or (x0, y0) == (x1, y1):
            continue
        if y0 < s:  # cut the piece where it crosses s
            x0, y0 = x0 + (x1 - x0) * (s - y0) / (y1 - y0), s
        right += (x1 - x0) * (y0 + y1) / 2
        above += (y1 - y0) * (1 - (x0 + x1) / 2)
    return right, above / (1 - s)


def slow_numbers(probs: np.ndarray, truth: np.ndarray, guess: np.ndarray) -> dict[str, float]:
    """The definitions by counting."""
    nan = float("nan")
    pairs = list(zip(truth.tolist(), guess.tolist(), strict=True))
    tp, fn = pairs.count((True, True)), pairs.count((True, False))
    fp, tn = pairs.count((False, True)), pairs.count((False, False))
    numbers = {
        "sensitivity": tp / (tp + fn) if tp + fn else nan,
        "specificity": tn / (tn + fp) if tn + fp else nan,
        "precision": tp / (tp + fp) if tp + fp else nan,
        "f1": tp / (tp + (fp + fn) / 2) if tp + fp + fn else nan,
        **dict.fromkeys(("auc", "average_precision", "auc80", "pauc80"), nan),
    }
    if tp + fn:
        area, before = 0.0, 0.0
        for t in sorted(set(probs.tolist()), reverse=True):
            taken = probs >= t
            recall = (taken & truth).sum() / truth.sum()
            area += (recall - before) * (taken & truth).sum() / taken.sum()
            before = recall
        numbers["average_precision"] = area
    if tp + fn and fp + tn:
        curve = slow_points(probs, truth)
        numbers["auc"] = sum(
            (x1 - x0) * (y0 + y1) / 2 for (x0, y0), (x1, y1) in itertools.pairwise(curve)
        )
        numbers["auc80"], numbers["pauc80"] = slow_areas(probs, truth, 0.8)
    return numbers


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 30), st.sampled_from([0, 1, 8]))
def test_equals_slow_computation(seed: int, num: int, digits: int) -> None:
    rng = np.random.default_rng(seed)
    probs = rng.random(num).round(digits)  # 0 digits: nothing but ties
    truth, guess = rng.random((2, num)) < rng.random((2, 1))  # may be all or none
    fast, slow = one_against_rest(probs, truth, guess), slow_numbers(probs, truth, guess)
    assert fast.keys() == slow.keys()
    for key, value in slow.items():
        np.testing.assert_allclose(fast[key], value, atol=1e-9, err_msg=key)


def test_normalised_area_is_that_of_scikit_learn() -> None:
    # Seen from the negatives, sensitivity 0.8 to 1 is false positive rate 0 to 0.2; scikit-learn
    # scales that area to 0.5..1 (McClish 1989).
    rng = np.random.default_rng(0)
    truth = rng.random(300) < 0.4
    probs = rng.random(300) + truth
    scaled = roc_auc_score(~truth, -probs, max_fpr=0.2)
    least, most = 0.2**2 / 2, 0.2
    area = (2 * scaled - 1) * (most - least) + least
    assert specificity_above_sensitivity(probs, truth) == pytest.approx(area / 0.2)


def test_perfect_and_chance() -> None:
    truth = np.array([False] * 5 + [True] * 5)
    assert auc_above_sensitivity(truth * 1.0, truth) == 1
    assert specificity_above_sensitivity(truth * 1.0, truth) == 1
    constant = np.zeros(10)
    assert auc_above_sensitivity(constant, truth) == pytest.approx(0.18)
    assert specificity_above_sensitivity(constant, truth) == pytest.approx(0.1)
    assert auc_above_sensitivity(1.0 - truth, truth) == 0
    with pytest.raises(ValueError, match="sensitivity must be"):
        auc_above_sensitivity(constant, truth, 0)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 30), st.booleans())
def test_details_by_class_and_source(seed: int, num: int, constant: bool) -> None:
    rng = np.random.default_rng(seed)
    scores = np.zeros((num, 4)) if constant else rng.normal(size=(num, 4)).round(1)
    labels = rng.integers(3, size=num)  # the last class has no sample
    names = ["MEL", "NV", "BCC", "AK"]
    sources = [["HAM", "BCN", "none"][i] for i in rng.integers(3, size=num)]
    found = detailed_metrics(scores, labels, names, sources)
    guess = scores.argmax(axis=1)
    # Not computed again: the last bits decide whether two samples have equal probabilities.
    probs = probabilities(scores)
    for c, name in enumerate(names):
        slow = slow_numbers(probs[:, c], labels == c, guess == c)
        for key, value in slow.items():
            np.testing.assert_allclose(found[f"per_class/{name}/{key}"], value, atol=1e-9)
    alone = slow_numbers(probs[:, 0], labels == 0, probs[:, 0] > 0.5)
    np.testing.assert_allclose(found["melanoma/sensitivity"], alone["sensitivity"])
    for source in set(sources):
        mine = np.array([s == source for s in sources])
        assert found[f"source/{source}/num_samples"] == mine.sum()
        for key, value in detailed_metrics(scores[mine], labels[mine], names).items():
            np.testing.assert_equal(found[f"source/{source}/{key}"], value)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            summary = classification_metrics(scores[mine], labels[mine], names)
        assert found[f"source/{source}/balanced_accuracy"] == summary["balanced_accuracy"]
        assert found[f"source/{source}/num_classes"] == 4


def test_macro_leaves_out_what_is_not_there() -> None:
    found = detailed_metrics(np.eye(3)[[0, 1, 1]], np.array([0, 1, 0]), ["a", "b", "c"])
    assert math.isnan(found["per_class/c/sensitivity"])
    assert found["macro/sensitivity"] == 0.75
    assert "melanoma/auc" not in found
    assert nested(found)["per_class"]["b"]["precision"] == 0.5
