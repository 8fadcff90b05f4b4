"""Metrics of parts of a test set."""

import numpy as np
import pytest

from mmselfsup.metrics.bootstrap import (
    bootstrap_intervals,
    difference_interval,
    resampled_metrics,
)
from mmselfsup.metrics.subgroups import UNKNOWN, Measured, group_of, subgroup_metrics


@pytest.mark.parametrize(
    ("kind", "text", "name"),
    [
        ("age", "29", "0-29"),
        ("age", "30.0", "30-49"),
        ("age", "69", "50-69"),
        ("age", "85", "70+"),
        ("age", "", UNKNOWN),
        ("age", "nan", UNKNOWN),
        ("age", "Adult", "adult"),
        ("age", "85+", "70+"),
        ("age", "80-84", "70+"),
        ("age", "[30 \N{EN DASH} 34]", "30-49"),
        ("age", "<20", "0-29"),
        ("age", "<30", "0-29"),
        ("age", "<=30", "<=30"),
        ("age", "\N{GREATER-THAN OR EQUAL TO} 70", "70+"),
        ("age", "65+", "65+"),
        ("age", "25 - 34", "25-34"),
        ("age", "045Y", "30-49"),
        ("age", "018M", "0-29"),
        ("age", "999", UNKNOWN),
        ("age", "-5", UNKNOWN),
        ("device", "12345678", "12345678"),
        ("device", "7_1", "7_1"),
        ("skin tone", "2.5", "2.5"),
        ("skin tone", "3.0", "3"),
        ("skin tone", "-1", UNKNOWN),
        ("sex", "FEMALE", "female"),
        ("sex", "unknown", UNKNOWN),
    ],
)
def test_parts(kind: str, text: str, name: str) -> None:
    assert group_of(kind, text) == name


def test_each_part_is_measured_alone() -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, 90)
    scores = rng.normal(size=(90, 3)) + np.eye(3)[labels]
    sex = ["male"] * 40 + ["female"] * 45 + [""] * 5
    lesions = [f"lesion {number // 2}" for number in range(90)]
    divided = {"sex": sex, "site": ["back"] * 90}
    found = subgroup_metrics(scores, labels, divided, lesions, num_resamples=50)
    assert [(part.kind, part.name, part.images) for part in found] == [
        ("sex", "female", 45),
        ("sex", "male", 40),
        ("sex", UNKNOWN, 5),
    ]  # a single site is no division
    male = found[1].balanced_accuracy
    right = scores[:40].argmax(axis=1) == labels[:40]
    recalls = [right[labels[:40] == c].mean() for c in range(3)]
    assert male.value == pytest.approx(np.mean(recalls))
    ends = bootstrap_intervals(scores[:40], labels[:40], lesions[:40], 50)
    assert (male.low, male.high) == ends["balanced_accuracy"]
    assert found[2].balanced_accuracy.value is None  # five images say nothing
    few = [f"patient {number // 4}" for number in range(90)]  # 10 and 12 in a part
    parts = subgroup_metrics(scores, labels, divided, few, num_resamples=50)
    assert parts[1].balanced_accuracy == Measured(male.value)
    assert parts[1].macro_auc == Measured(found[1].macro_auc.value)


def test_the_difference_of_two_sets() -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 200)
    scores = rng.normal(size=(200, 2)) + 2 * np.eye(2)[labels]
    draws = [resampled_metrics(scores, labels, None, 2000, seed)["accuracy"] for seed in (0, 1)]
    low, high = difference_interval(*draws)
    assert low < 0 < high  # the same set
    variances = sum(np.var(of) for of in draws)
    assert high - low == pytest.approx(2 * 1.96 * variances**0.5, rel=0.1)
