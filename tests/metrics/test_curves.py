"""Curves of one class against the rest, against counting by hand."""

import numpy as np
import pytest

from mmselfsup.metrics.curves import net_benefit, roc_points, sensitivity_at, specificity_at

RNG = np.random.default_rng(0)
POSITIVE = RNG.random(200) < 0.3
PROBS = np.round(np.clip(0.3 + 0.25 * POSITIVE + 0.2 * RNG.normal(size=200), 0, 1), 2)  # with ties


def count(threshold: float) -> tuple[float, float]:
    """Sensitivity and specificity of calling everything at or above a threshold."""
    called = threshold <= PROBS
    return called[POSITIVE].mean(), 1 - called[~POSITIVE].mean()


def test_the_curve_has_the_points_of_all_thresholds() -> None:
    rates, sensitivities = roc_points(PROBS, POSITIVE, every=True)
    assert (rates[0], sensitivities[0], rates[-1], sensitivities[-1]) == (0, 0, 1, 1)
    found = {(round(x, 9), round(y, 9)) for x, y in zip(rates, sensitivities, strict=True)}
    counted = [count(threshold) for threshold in np.unique(PROBS)]
    assert found == {(round(1 - b, 9), round(a, 9)) for a, b in counted} | {(0.0, 0.0)}
    fewer = roc_points(PROBS, POSITIVE)
    assert len(fewer[0]) <= len(rates)
    assert np.trapezoid(fewer[1], fewer[0]) == pytest.approx(np.trapezoid(sensitivities, rates))


@pytest.mark.parametrize("value", [0.5, 0.8, 0.9, 0.95, 1.0])
def test_operating_points(value: float) -> None:
    counted = [count(t) for t in [*np.unique(PROBS), 2.0]]
    wanted = max(specificity for sensitivity, specificity in counted if sensitivity >= value)
    assert specificity_at(PROBS, POSITIVE, value) == pytest.approx(wanted)
    wanted = max(sensitivity for sensitivity, specificity in counted if specificity >= value)
    assert sensitivity_at(PROBS, POSITIVE, value) == pytest.approx(wanted)


def test_net_benefit() -> None:
    thresholds = [0.1, 0.25, 0.5]
    found = net_benefit(PROBS, POSITIVE, thresholds)
    for t, value in zip(thresholds, found, strict=True):
        called = t <= PROBS
        hits, alarms = (called & POSITIVE).sum(), (called & ~POSITIVE).sum()
        assert value == pytest.approx(hits / 200 - alarms / 200 * t / (1 - t))
    share = POSITIVE.mean()
    everyone = net_benefit(np.ones(200), POSITIVE, [0.2])
    assert everyone[0] == pytest.approx(share - (1 - share) * 0.25)
