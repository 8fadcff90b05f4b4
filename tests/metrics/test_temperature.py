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


def test_a_temperature_is_positive() -> None:
    with pytest.raises(ValueError, match="above 0, got 0"):
        with_temperature(np.eye(2), 0)
