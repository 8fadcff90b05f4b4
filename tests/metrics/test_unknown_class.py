"""The ninth class, from a threshold or from the network."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmselfsup.metrics import add_unknown, known_only, probabilities, unknown_score
from mmselfsup.metrics.heads import evaluate_heads, head_numbers
from mmselfsup.utils.errors import UserError

EIGHT = ["MEL", "NV", "BCC", "AK", "BKL", "DF", "VASC", "SCC"]
NINE = [*EIGHT, "UNK"]


@given(st.integers(0, 10**6), st.floats(0.01, 1))
def test_unknown_wins_below_the_threshold(seed: int, threshold: float) -> None:
    probs = probabilities(np.random.default_rng(seed).normal(size=(20, 4)) * 2)
    nine = add_unknown(probs, threshold)
    np.testing.assert_allclose(nine.sum(axis=1), 1)
    highest = probs.max(axis=1)
    clear = abs(highest - threshold) > 1e-9
    unknown = nine.argmax(axis=1) == 4
    assert (unknown == (highest < threshold))[clear].all()
    assert (nine[:, :4].argmax(axis=1) == probs.argmax(axis=1)).all()
    order = np.argsort(highest)
    assert (np.diff(nine[order, 4]) <= 1e-12).all()  # the surer, the less unknown
    back, labels, kept = known_only(nine, np.arange(20) % 5)
    np.testing.assert_allclose(back, probs[kept])
    assert labels.max() < 4


def test_threshold_at_the_border() -> None:
    even = np.full((1, 4), 0.25)
    assert add_unknown(even, 0.25).argmax() == 0
    assert add_unknown(even, 0.26).argmax() == 4
    with pytest.raises(ValueError, match="threshold"):
        add_unknown(even, 0.0)


@pytest.mark.filterwarnings("ignore:no sample")
def test_every_number_says_how_many_classes() -> None:
    rng = np.random.default_rng(0)
    scores, labels = rng.normal(size=(60, 8)), rng.integers(8, size=60)
    lesions = [["HAM_1", "BCN_2", ""][i % 3] for i in range(60)]
    eight = head_numbers(scores, labels, EIGHT, lesions)
    assert eight["num_classes"] == eight["source/HAM/num_classes"] == 8
    assert "without_UNK/balanced_accuracy" not in eight
    nine = head_numbers(scores, labels, EIGHT, lesions, unk_threshold=0.5)
    assert nine["num_classes"] == nine["source/none/num_classes"] == 9
    assert nine["without_UNK/num_classes"] == 8
    assert nine["without_UNK/macro_auc"] == pytest.approx(eight["macro_auc"])
    assert nine["accuracy"] < eight["accuracy"]
    assert "per_class/UNK/auc" in nine


@pytest.mark.filterwarnings("ignore:no sample")
def test_a_threshold_keeps_melanoma_and_calibration() -> None:
    """0.55 for MEL stays above 0.5, though the row gets a ninth entry."""
    scores = np.full((4, 8), 0.45 / 7)
    scores[:, 0] = 0.55
    scores[2:] = scores[2:, ::-1]
    labels = np.array([0, 1, 7, 8])
    lesions = ["HAM_1", "HAM_2", "HAM_3", "HAM_4"]
    found = head_numbers(scores, labels, NINE, lesions, unk_threshold=0.4)
    assert found["melanoma/sensitivity"] == found["source/HAM/melanoma/sensitivity"] == 1
    assert found["ece"] == found["source/HAM/ece"] == pytest.approx(0.05)  # 2 of 4 right


@given(st.integers(0, 10**6), st.floats(0.01, 1))
def test_unknown_score_is_a_diagnosis_of_its_own(seed: int, threshold: float) -> None:
    probs = probabilities(np.random.default_rng(seed).normal(size=(50, 4)) * 3)
    highest, score = probs.max(axis=1), unknown_score(probs, threshold)
    clear = abs(highest - threshold) > 1e-9
    assert ((score > 0.5) == (highest < threshold))[clear].all()
    assert ((score > highest) == (highest < threshold))[clear].all()
    assert score.min() >= 0
    assert score.max() <= 1
    assert (np.diff(score[np.argsort(highest)]) <= 1e-12).all()


def test_ninth_class_of_the_network_and_of_the_labels() -> None:
    rng = np.random.default_rng(0)
    scores, labels = rng.normal(size=(90, 9)), np.arange(90) % 9
    found = head_numbers(scores, labels, NINE)
    assert found["num_classes"] == 9
    assert found["recall_UNK"] == found["per_class/UNK/sensitivity"]
    assert found["without_UNK/num_classes"] == 8
    by_threshold = head_numbers(scores[:, :8], labels, NINE, unk_threshold=0.4)
    assert by_threshold["num_classes"] == 9
    assert not np.isnan(by_threshold["per_class/UNK/auc"])


@pytest.mark.parametrize(
    ("columns", "names", "threshold", "message"),
    [
        (8, NINE, None, "9 classes, UNK is one of them, the network 8"),
        (9, NINE, 0.5, "has an output for UNK itself"),
        (8, EIGHT, 1.5, "unk_threshold: the threshold must be"),
    ],
)
def test_mistakes(columns: int, names: list[str], threshold: float | None, message: str) -> None:
    with pytest.raises(UserError, match=message):
        evaluate_heads(
            {"head0": np.zeros((9, columns))}, np.arange(9), names, unk_threshold=threshold
        )


def test_interval_by_lesion() -> None:
    scores, labels = np.eye(3)[[0, 1, 2, 0]], np.array([0, 1, 2, 1])
    found = head_numbers(scores, labels, None, ["HAM_1", "HAM_2", "", ""], bootstrap=50)
    assert 0 <= found["interval/accuracy/low"] <= 0.75 <= found["interval/accuracy/high"] <= 1
    assert found["interval/by_lesion"] == 1
    assert head_numbers(scores, labels, bootstrap=5)["interval/by_lesion"] == 0
