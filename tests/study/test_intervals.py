"""Intervals over folds, seeds and draws, and their errors over the test images."""

import dataclasses
import math

import numpy as np
import pytest
from scipy import stats

from mmselfsup.metrics.classification import standard_error
from mmselfsup.study.report.intervals import (
    Spread,
    difference_error,
    on_one_fold,
    over_folds,
    sampling_error,
)
from mmselfsup.study.report.statistics import Difference
from mmselfsup.study.report.tables import compare
from tests.study.study_data import make_run

VALUES = [0.02, 0.05, 0.03]


def test_without_a_test_error_it_is_the_ordinary_t_interval() -> None:
    spread = on_one_fold(dict(enumerate(VALUES)), 0.0)
    expected = stats.ttest_1samp(VALUES, 0.0)
    low, high = expected.confidence_interval(0.95)
    assert spread.half_width == pytest.approx((high - low) / 2)
    assert spread.p_value == pytest.approx(expected.pvalue)
    assert over_folds(VALUES, 0.0) == spread  # no training images in common


def test_three_runs_cover_as_often_as_they_should() -> None:
    """With the normal quantile it would be 89 % and 83 % of 3 and 2 runs that vary much."""
    rng = np.random.default_rng(0)
    for runs, wanted in ((3, 0.91), (2, 0.86)):
        means = rng.normal(0, 0.01, 2000)[:, None] + rng.normal(0, 0.03, (2000, runs))
        spreads = [on_one_fold(dict(enumerate(row.tolist())), 0.01) for row in means]
        inside = [abs(row.mean()) < s.half_width for row, s in zip(means, spreads, strict=True)]
        assert np.mean(inside) > wanted


def test_one_run_has_the_error_of_the_test_images_alone() -> None:
    spread = on_one_fold({0: 0.03}, 0.02)
    assert spread.half_width == pytest.approx(1.959964 * 0.02)
    assert spread.p_value == pytest.approx(2 * stats.norm.sf(1.5))
    assert on_one_fold({0: 0.0}, 0.0).p_value is None


def test_two_folds_that_agree_by_chance_are_no_certainty() -> None:
    """Recalls of few images are few numbers, so two differences may be the same."""
    spread = over_folds([0.125, 0.125], 0.25)
    assert spread == Spread(0.0, None)
    assert not Difference(0.125, spread.half_width, spread.p_value).is_clear
    assert Difference(0.125, 0.1).is_clear


@pytest.mark.parametrize("base", [0.5, 0.6, 0.7])
def test_folds_that_agree_up_to_rounding_are_no_certainty(base: float) -> None:
    """0.7 - 0.6 and 0.6 - 0.5 differ by 1e-16, and so may the gaps of equal classifiers."""
    means = [base + 0.1 - base, 0.1, 0.3 - 0.2]
    assert len(set(means)) > 1
    assert over_folds(means, 0.25) == Spread(0.0, None)
    assert over_folds([1000 * value for value in means], 0.25) == Spread(0.0, None)
    assert over_folds([value - 0.1 for value in means], 0.25) == Spread(0.0, None)
    assert on_one_fold(dict(enumerate(means)), 0.0) == Spread(0.0, None)
    assert over_folds([1e-9, 2e-9], 0.25).p_value is not None


def test_draws_that_seeds_share_are_no_runs_of_their_own() -> None:
    """Three draws with five seeds each are three draws, if seeds change nothing."""
    draws = {10 * seed + draw: value for seed in range(5) for draw, value in enumerate(VALUES)}
    units = (lambda number: number // 10, lambda number: number % 10)
    spread, expected = on_one_fold(draws, 0.01, units), on_one_fold(dict(enumerate(VALUES)), 0.01)
    assert spread.half_width == pytest.approx(expected.half_width)
    assert spread.half_width > 1.4 * on_one_fold(draws, 0.01).half_width


def test_errors_of_records() -> None:
    one, other = make_run("simclr", 1.9), make_run("scratch", 1.0, seed=1)
    matrices = [standard_error(run.confusion_matrix) for run in (one, other)]
    assert difference_error(one, other) == pytest.approx(math.hypot(*matrices))  # older versions
    one = dataclasses.replace(one, errors={"simclr": 0.04, "scratch": 0.045})
    other = dataclasses.replace(other, errors={"simclr": 0.045, "scratch": 0.03})
    assert sampling_error(one) == 0.04
    assert difference_error(one, other) == difference_error(other, one) == 0.045
    assert difference_error(one, other, same_study=False) == pytest.approx(math.hypot(0.04, 0.03))
    comparison = compare(other, one)
    assert comparison is not None
    assert comparison.error == 0.045
