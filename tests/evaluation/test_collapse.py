"""Metrics of collapse against slow computations, on features that are healthy and that are not."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from mmselfsup.evaluation.collapse import (
    alignment,
    collapse_metrics,
    effective_rank,
    feature_std,
    uniformity,
)


@pytest.fixture
def features() -> torch.Tensor:
    return torch.randn(40, 12) + 0.5


def test_std_is_numpys(features: torch.Tensor) -> None:
    rows = features.numpy() / np.linalg.norm(features.numpy(), axis=1, keepdims=True)
    assert float(feature_std(3 * features)) == pytest.approx(rows.std(axis=0).mean(), rel=1e-5)


@pytest.mark.parametrize("shape", [(40, 12), (9, 30)])
def test_effective_rank_is_that_of_the_singular_values(shape: tuple[int, int]) -> None:
    features = torch.randn(shape)
    rows = features.numpy() / np.linalg.norm(features.numpy(), axis=1, keepdims=True)
    fractions = np.linalg.svd(rows, compute_uv=False)
    fractions /= fractions.sum()
    expected = math.exp(-sum(p * math.log(p) for p in fractions))
    assert float(effective_rank(features)) == pytest.approx(expected, rel=1e-4)
    rows = torch.eye(5).repeat(4, 1)
    assert float(effective_rank(rows)) == pytest.approx(5)
    assert float(effective_rank(rows[:, :1] + torch.ones(20, 3))) == pytest.approx(1, abs=0.7)


def test_alignment_and_uniformity_are_loops(features: torch.Tensor) -> None:
    other = features + 0.3 * torch.randn_like(features)
    a, b = F.normalize(features), F.normalize(other)
    squares = [float(((x - y) ** 2).sum()) for x, y in zip(a, b, strict=True)]
    assert float(alignment(features, other)) == pytest.approx(sum(squares) / 40, rel=1e-5)
    pairs = [math.exp(-2 * float(((a[i] - a[j]) ** 2).sum())) for i in range(40) for j in range(i)]
    expected = math.log(sum(pairs) / len(pairs))
    assert float(uniformity(features)) == pytest.approx(expected, rel=1e-5)


def test_healthy_features() -> None:
    metrics = collapse_metrics(torch.randn(500, 64), 0.5)
    assert metrics.spread == pytest.approx(1, abs=0.05)
    assert metrics.std == pytest.approx(1 / 8, abs=0.01)
    assert metrics.rank > 50
    assert metrics.uniformity == pytest.approx(-4, abs=0.3)
    assert metrics.collapse_reason() is None
    assert metrics.numbers()["alignment"] == 0.5
    assert "alignment" not in collapse_metrics(torch.randn(5, 3)).numbers()
    assert collapse_metrics(torch.randn(500, 64).relu()).collapse_reason() is None


@pytest.mark.parametrize("noise", [0.0, 1e-3])
def test_constant_output_is_a_collapse(noise: float) -> None:
    metrics = collapse_metrics(torch.rand(1, 64) + noise * torch.randn(100, 64))
    assert metrics.rank < 1.5
    assert metrics.uniformity == pytest.approx(0, abs=1e-3)
    assert "hardly differ between images" in (metrics.collapse_reason() or "")


def test_projections_collapse_on_their_own() -> None:
    features, constant = torch.randn(50, 16), torch.ones(20, 8) + 1e-3 * torch.randn(20, 8)
    assert collapse_metrics(features, 0.1, torch.randn(20, 8)).collapse_reason() is None
    metrics = collapse_metrics(features, 0.0, constant)
    assert "the projections hardly differ" in (metrics.collapse_reason() or "")
    assert metrics.numbers()["projection_rank"] == pytest.approx(1, abs=0.1)
    few = torch.randn(200, 3) @ torch.randn(3, 100)
    assert "projections lie in few" in (
        collapse_metrics(features, 0.1, few).collapse_reason() or ""
    )


def test_a_line_and_nan_are_a_collapse() -> None:
    line = torch.randn(100, 1) * torch.rand(1, 64)
    assert "few directions: their effective rank is 1.00" in (
        collapse_metrics(line).collapse_reason() or ""
    )
    assert collapse_metrics(torch.full((4, 3), math.nan)).collapse_reason() is not None


def test_one_sample_is_refused() -> None:
    with pytest.raises(ValueError, match="M >= 2"):
        collapse_metrics(torch.rand(1, 3))
