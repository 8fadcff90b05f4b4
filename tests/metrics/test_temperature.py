"""Temperature scaling."""

import numpy as np
import pytest

from mmselfsup.metrics import expected_calibration_error, fit_temperature, with_temperature


def sample(factor: float, num: int = 4000) -> tuple[np.ndarray, np.ndarray]:
    """Logits whose classes are drawn from their softmax, times a factor."""
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(num, 3)) * 1.5
    probs = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    labels = (probs.cumsum(axis=1) < rng.random((num, 1))).sum(axis=1)
    return logits * factor, labels


@pytest.mark.parametrize("factor", [1.0, 3.0, 0.5])
def test_the_factor_of_overconfident_logits_is_found(factor: float) -> None:
    logits, labels = sample(factor)
    temperature = fit_temperature(logits, labels)
    assert temperature == pytest.approx(factor, rel=0.06)
    scaled = with_temperature(logits, temperature)
    assert expected_calibration_error(scaled, labels) < 0.03
    assert (scaled.argmax(axis=1) == logits.argmax(axis=1)).all()


def test_it_has_the_least_loss() -> None:
    logits, labels = sample(2.0, 300)

    def loss(temperature: float) -> float:
        probs = with_temperature(logits, temperature)
        return -sum(np.log(probs[i, label]) for i, label in enumerate(labels)) / len(labels)

    best = fit_temperature(logits, labels)
    assert loss(best) < min(loss(best * 1.02), loss(best / 1.02))


def test_probabilities_serve_like_their_logits() -> None:
    logits, labels = sample(2.0, 300)
    probs = with_temperature(logits, 1.0)
    assert with_temperature(probs, 2.5) == pytest.approx(with_temperature(logits, 2.5))
    assert fit_temperature(probs, labels) == pytest.approx(fit_temperature(logits, labels))


def test_logits_far_apart_are_divided_themselves() -> None:
    logits = np.array([[60.0, 0.0, -60.0], [0.0, 800.0, 780.0]])
    powers = np.exp([[3.0, 0.0, -3.0], [-40.0, 0.0, -1.0]])
    expected = powers / powers.sum(axis=1, keepdims=True)  # of z / 20
    assert expected[0] == pytest.approx([0.950, 0.047, 0.002], abs=5e-4)
    assert with_temperature(logits, 20.0) == pytest.approx(expected, rel=1e-12)
    # Logits that, divided, look like probabilities, are still logits.
    powers = np.exp([[0.5, 0.5, 0.0]])
    assert with_temperature([[1.0, 1.0, 0.0]], 2.0) == pytest.approx(powers / powers.sum())


def test_the_fit_sees_logits_far_apart() -> None:
    """Three of four are right: the least loss has p = 3/4, z / T = log 3."""
    logits, labels = np.tile([[0.0, 15.0]], (4, 1)), np.array([1, 1, 1, 0])
    assert fit_temperature(logits, labels) == pytest.approx(15 / np.log(3), rel=1e-4)
    logits = np.tile([[0.0, 40.0, -40.0]], (4, 1))  # exp(-80) and exp(-40) are far below 1e-12
    temperature = fit_temperature(logits, np.array([1, 1, 1, 0]))
    grid = np.exp(np.linspace(-3, 3, 6001))

    def loss(t: float) -> float:
        log_z = np.log(np.exp(np.array([0.0, 40.0, -40.0]) / t).sum())
        return float(log_z - 0.75 * 40 / t)

    best = grid[np.argmin([loss(t) for t in grid if t > 0.06]) + (grid <= 0.06).sum()]
    assert temperature == pytest.approx(best, rel=2e-3)


def test_a_temperature_is_positive() -> None:
    with pytest.raises(ValueError, match="above 0, got 0"):
        with_temperature(np.eye(2), 0)
