"""Cosine regression against a loop, and against the distance that BYOL's paper writes."""

import math

import pytest
import torch
import torch.nn.functional as F

from mmselfsup.models.losses import negative_cosine


def rows(n, d, seed, dtype=torch.float64):
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def slow(prediction, target):
    total = 0.0
    for p, t in zip(prediction.tolist(), target.tolist(), strict=True):
        dot = sum(a * b for a, b in zip(p, t, strict=True))
        total -= dot / math.sqrt(sum(a * a for a in p)) / math.sqrt(sum(b * b for b in t))
    return total / len(prediction)


@pytest.mark.parametrize(("n", "d"), [(1, 1), (3, 2), (7, 5)])
def test_equals_the_loop(n, d):
    p, t = rows(n, d, 0), rows(n, d, 1)
    assert negative_cosine(p, t).item() == pytest.approx(slow(p, t), rel=1e-12)


def test_is_half_of_byols_distance_less_one():
    p, t = rows(4, 6, 0), rows(4, 6, 1)
    distance = (F.normalize(p, dim=1) - F.normalize(t, dim=1)).square().sum(dim=1).mean()
    assert negative_cosine(p, t).item() == pytest.approx(distance.item() / 2 - 1)


def test_gradients():
    p, t = rows(3, 4, 0).requires_grad_(), rows(3, 4, 1).requires_grad_()
    assert torch.autograd.gradcheck(negative_cosine, (p, t))


def test_range():
    p = rows(5, 3, 0)
    assert negative_cosine(p, 2 * p).item() == pytest.approx(-1)
    assert negative_cosine(p, -p).item() == pytest.approx(1)
    assert torch.isfinite(negative_cosine(p, torch.zeros_like(p)))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_comes_out_as_float32(dtype):
    p, t = rows(4, 8, 0).to(dtype), rows(4, 8, 1).to(dtype)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = negative_cosine(p, t)
    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx(slow(p, t), rel=1e-5)
