"""Whitening, and the losses of W-MSE and VIbCReg, against slow loops."""

import math

import pytest
import torch

from mmselfsup.models import build_head
from mmselfsup.models.losses import correlation_penalty
from mmselfsup.models.utils.whitening import cholesky_or_nan, cholesky_whitening, newton_whitening
from mmselfsup.utils.errors import ArgumentError


def rows(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def slow_covariance(z: torch.Tensor, rest: int = 1) -> tuple[list[list[float]], list[float]]:
    """Covariance (divided by N - rest) and mean, one number after the other."""
    n, d = z.shape
    mean = [sum(float(z[k, j]) for k in range(n)) / n for j in range(d)]

    def entry(i: int, j: int) -> float:
        total = sum(float(z[k, i] - mean[i]) * float(z[k, j] - mean[j]) for k in range(n))
        return total / (n - rest)

    return [[entry(i, j) for j in range(d)] for i in range(d)], mean


def slow_cholesky_whitening(z: torch.Tensor, shrinkage: float) -> list[list[float]]:
    """Cholesky-Banachiewicz and forward substitution."""
    n, d = z.shape
    cov, mean = slow_covariance(z)
    cov = [[(1 - shrinkage) * cov[i][j] + shrinkage * (i == j) for j in range(d)] for i in range(d)]
    low = [[0.0] * d for _ in range(d)]
    for i in range(d):
        for j in range(i + 1):
            rest = cov[i][j] - sum(low[i][k] * low[j][k] for k in range(j))
            low[i][j] = math.sqrt(rest) if i == j else rest / low[j][j]
    out = []
    for k in range(n):
        x: list[float] = []
        for i in range(d):
            centred = float(z[k, i]) - mean[i]
            x.append((centred - sum(low[i][j] * x[j] for j in range(i))) / low[i][i])
        out.append(x)
    return out


# -- W-MSE


@pytest.mark.parametrize("shrinkage", [0.0, 0.2])
def test_cholesky_whitening_equals_the_loop(shrinkage: float) -> None:
    z = rows(7, 3) @ rows(3, 3, seed=1)
    got = cholesky_whitening(z, shrinkage)
    torch.testing.assert_close(got, z.new_tensor(slow_cholesky_whitening(z, shrinkage)))
    if not shrinkage:
        torch.testing.assert_close(torch.cov(got.T), torch.eye(3, dtype=z.dtype))
    assert torch.autograd.gradcheck(cholesky_whitening, (z[:5].clone().requires_grad_(), shrinkage))


def test_wmse_equals_the_loop() -> None:
    views = rows(3, 8, 3)
    head = build_head({"type": "WMSEHead", "slice_size": 4, "num_slicings": 2})
    torch.manual_seed(5)
    got = head(views)["loss"].item()
    torch.manual_seed(5)
    total = 0.0
    for _ in range(2):
        order = torch.randperm(8)
        for rows_of_slice in (order[:4], order[4:]):
            white = [slow_cholesky_whitening(view[rows_of_slice], 0.0) for view in views]
            for a, b in ((0, 1), (0, 2), (1, 2)):
                for x, y in zip(white[a], white[b], strict=True):
                    lengths = [math.sqrt(sum(v * v for v in row)) for row in (x, y)]
                    total += sum(
                        (u / lengths[0] - v / lengths[1]) ** 2 for u, v in zip(x, y, strict=True)
                    ) / (2 * 3 * 8)
    assert got == pytest.approx(total, rel=1e-9)


def test_wmse_is_zero_for_equal_views_and_keeps_slices_full() -> None:
    views = rows(8, 3).expand(2, 8, 3)
    head = build_head({"type": "WMSEHead", "slice_size": 5})
    assert head(views)["loss"].item() == pytest.approx(0, abs=1e-12)
    sizes = [len(part) for part in head._slices(14, torch.device("cpu"))]
    assert sizes == [7, 7]
    assert [len(part) for part in head._slices(4, torch.device("cpu"))] == [4]


def test_wmse_does_not_go_on_after_a_collapse() -> None:
    head = build_head({"type": "WMSEHead"})
    with pytest.raises(ArgumentError, match="covariance of 8 projections of width 3 has no inv"):
        head(torch.zeros(2, 8, 3))
    assert torch.isfinite(
        build_head({"type": "WMSEHead", "shrinkage": 0.01})(torch.zeros(2, 8, 3))["loss"]
    )


def test_a_gpu_marks_a_collapse_by_nan_and_does_not_wait() -> None:
    factor, failed = cholesky_or_nan(torch.zeros(3, 3))
    assert failed
    assert factor.isnan().all()
    matrix = torch.eye(3, dtype=torch.float64) + 0.1
    factor, failed = cholesky_or_nan(matrix)
    assert not failed
    assert torch.equal(factor, torch.linalg.cholesky(matrix))


@pytest.mark.parametrize("bad", [{"slice_size": 1}, {"num_slicings": 0}, {"shrinkage": 2.0}])
def test_wmse_arguments(bad: dict[str, float]) -> None:
    with pytest.raises(ArgumentError, match=next(iter(bad))):
        build_head({"type": "WMSEHead", **bad})


# -- VIbCReg


def matmul(a: list[list[float]], b: list[list[float]]) -> list[list[float]]:
    return [
        [sum(x * y for x, y in zip(row, col, strict=True)) for col in zip(*b, strict=True)]
        for row in a
    ]


def slow_newton_whitening(z: torch.Tensor, iterations: int, eps: float) -> list[list[float]]:
    d = z.shape[1]
    cov, mean = slow_covariance(z, rest=0)
    cov = [[cov[i][j] + eps * (i == j) for j in range(d)] for i in range(d)]
    trace = sum(cov[i][i] for i in range(d))
    scaled = [[c / trace for c in row] for row in cov]
    p = [[float(i == j) for j in range(d)] for i in range(d)]
    for _ in range(iterations):
        cubed = matmul(matmul(matmul(p, p), p), scaled)
        p = [[(3 * p[i][j] - cubed[i][j]) / 2 for j in range(d)] for i in range(d)]
    centred = [[float(x) - m for x, m in zip(row, mean, strict=True)] for row in z]
    return [[x / math.sqrt(trace) for x in row] for row in matmul(centred, p)]


@pytest.mark.parametrize("shape", [(6, 3), (3, 6)])
@pytest.mark.parametrize("iterations", [0, 1, 5])
def test_newton_whitening_equals_the_loop(iterations: int, shape: tuple[int, int]) -> None:
    z = rows(*shape) + 1
    got = newton_whitening(z, iterations, 1e-3)
    torch.testing.assert_close(got, z.new_tensor(slow_newton_whitening(z, iterations, 1e-3)))
    inputs = (z.clone().requires_grad_(), iterations)
    assert torch.autograd.gradcheck(newton_whitening, inputs)


def test_many_newton_iterations_whiten() -> None:
    got = newton_whitening(rows(50, 3) @ rows(3, 3, seed=1), 30, 0.0)
    torch.testing.assert_close(torch.cov(got.T, correction=0), torch.eye(3, dtype=got.dtype))
    for collapsed in (torch.zeros(4, 3), torch.zeros(2, 3)):
        assert torch.isfinite(newton_whitening(collapsed)).all()


@pytest.mark.parametrize("iterations", [None, 2])
def test_vibcreg_equals_the_loop(iterations: int | None) -> None:
    views = [0.7 * rows(6, 3), 0.7 * rows(6, 3, seed=1)]
    head = build_head({"type": "VIbCRegHead", "iterations": iterations})
    got = head(*views)["loss"].item()
    if iterations is not None:
        views = [z.new_tensor(slow_newton_whitening(z, iterations, 1e-5)) for z in views]
    total = (
        25 * sum(float((a - b) ** 2) for a, b in zip(*map(torch.flatten, views), strict=True)) / 18
    )
    for z in views:
        cov, _ = slow_covariance(z)
        for i in range(3):
            total += 25 * max(0.0, 1 - math.sqrt(cov[i][i] + 1e-4)) / 3
            for j in range(3):
                total += 200 * (i != j) * cov[i][j] ** 2 / (cov[i][i] * cov[j][j]) / 9
    assert got == pytest.approx(total, rel=1e-9)


def test_correlations_do_not_depend_on_the_scale() -> None:
    z = rows(6, 3)
    scale = torch.tensor([0.1, 3.0, -2.0], dtype=z.dtype)
    torch.testing.assert_close(correlation_penalty(z * scale + 5), correlation_penalty(z))
    same = z[:, :1].expand(6, 4)
    assert correlation_penalty(same).item() == pytest.approx(12 / 16)
    assert torch.autograd.gradcheck(correlation_penalty, (z.requires_grad_(),))
    with pytest.raises(ArgumentError, match="at least two images"):
        correlation_penalty(rows(1, 3))
    with pytest.raises(ArgumentError, match="iterations must be None or from 1"):
        build_head({"type": "VIbCRegHead", "iterations": 0})
