"""Metrics of several labels against slow counts, and classes without an image."""

import numpy as np
import pytest

from mmselfsup.metrics import multi_label_metrics
from mmselfsup.metrics.heads import evaluate_heads
from mmselfsup.utils.errors import UserError


def slow_ap(scores, truth):
    """The precision at each positive image, in the order of the scores."""
    order = np.argsort(-scores)
    hits, total = 0, 0.0
    for rank, i in enumerate(order, 1):
        if truth[i]:
            hits += 1
            total += hits / rank
    return total / truth.sum()


def slow_auc(scores, truth):
    pairs = [(p, n) for p in scores[truth == 1] for n in scores[truth == 0]]
    return np.mean([p > n for p, n in pairs])


def test_against_slow_loops() -> None:
    rng = np.random.default_rng(0)
    scores, truth = rng.random((60, 3)), (rng.random((60, 3)) < [0.5, 0.2, 0.8]).astype(int)
    found = multi_label_metrics(scores, truth, ["a", "b", "c"])
    for i, name in enumerate("abc"):
        assert found[f"AP_{name}"] == pytest.approx(slow_ap(scores[:, i], truth[:, i]))
        assert found[f"auc_{name}"] == pytest.approx(slow_auc(scores[:, i], truth[:, i]))
    assert found["mAP"] == pytest.approx(np.mean([found[f"AP_{n}"] for n in "abc"]))
    predicted = scores[:, 0] >= 0.5
    hits = (predicted & (truth[:, 0] == 1)).sum()
    assert found["f1_a"] == pytest.approx(2 * hits / (predicted.sum() + truth[:, 0].sum()))


def test_what_is_not_defined_is_left_out() -> None:
    scores = np.array([[0.9, 0.1, 0.5], [0.2, 0.3, 0.5]])
    found = multi_label_metrics(scores, np.array([[1, 0, 1], [0, 0, -1]]))
    assert found["AP_0"] == found["auc_0"] == 1
    assert np.isnan([found["AP_1"], found["auc_1"], found["auc_2"]]).all()
    assert found["mAP"] == 1  # of classes 0 and 2, whose unknown label is left out


def test_evaluation_of_several_labels() -> None:
    labels = np.array([[1, 0], [0, 1], [1, 1]])
    found = evaluate_heads({"head4": labels * 0.8 + 0.1}, labels, ["a", "b"])
    assert found["mAP"] == found["macro_auc"] == 1
    with pytest.raises(UserError, match="scores of 3 classes, but these have several labels: 2"):
        evaluate_heads({"head4": np.zeros((3, 3))}, labels)
