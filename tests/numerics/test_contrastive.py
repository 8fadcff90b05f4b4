"""InfoNCE and the pairs of NT-Xent against loops over single similarities."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mmselfsup.models.losses import batch_info_nce, info_nce, pair_similarities


def unit_rows(rows, width, seed=0):
    generator = torch.Generator().manual_seed(seed)
    z = torch.randn(rows, width, generator=generator, dtype=torch.float64)
    return z / z.norm(dim=1, keepdim=True)


def slow_info_nce(pos, neg, temperature):
    total = 0.0
    for p, negatives in zip(pos.tolist(), neg.tolist(), strict=True):
        numerator = math.exp(p[0] / temperature)
        total -= math.log(
            numerator / (numerator + sum(math.exp(n / temperature) for n in negatives))
        )
    return total / len(pos)


def slow_nt_xent(z, temperature):
    """Equation 1 of the SimCLR paper, one pair after the other."""
    rows, total = len(z), 0.0
    for i in range(rows):
        partner = i + 1 if i % 2 == 0 else i - 1
        others = [float(z[i] @ z[k]) for k in range(rows) if k != i]
        log_sum = math.log(sum(math.exp(s / temperature) for s in others))
        total += log_sum - float(z[i] @ z[partner]) / temperature
    return total / rows


@given(n=st.integers(1, 6), k=st.integers(1, 9), temperature=st.floats(0.05, 2.0))
@settings(max_examples=25, deadline=None)
def test_info_nce_equals_the_loop(n, k, temperature):
    generator = torch.Generator().manual_seed(n * 10 + k)
    pos = torch.rand(n, 1, generator=generator, dtype=torch.float64) * 2 - 1
    neg = torch.rand(n, k, generator=generator, dtype=torch.float64) * 2 - 1
    expected = slow_info_nce(pos, neg, temperature)
    assert info_nce(pos, neg, temperature).item() == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("images", [2, 3, 5])
def test_pairs_make_nt_xent(images):
    z = unit_rows(2 * images, 7)
    pos, neg = pair_similarities(z)
    assert pos.shape == (2 * images, 1)
    assert neg.shape == (2 * images, 2 * images - 2)
    assert info_nce(pos, neg, 0.3).item() == pytest.approx(slow_nt_xent(z, 0.3), rel=1e-9)


def test_each_row_meets_every_view_of_other_images_once():
    z = torch.eye(8, dtype=torch.float64) * torch.arange(1, 9.0, dtype=torch.float64)
    z = z + torch.ones(8, 8, dtype=torch.float64) * torch.arange(8.0, dtype=torch.float64)[:, None]
    pos, neg = pair_similarities(z)
    table = z @ z.T
    for i in range(8):
        others = [k for k in range(8) if k // 2 != i // 2]
        assert neg[i].tolist() == [table[i, k].item() for k in others]
        assert pos[i].item() == table[i, i ^ 1].item()


def test_gradients():
    z = unit_rows(6, 4).requires_grad_()

    def loss(z):
        return info_nce(*pair_similarities(torch.nn.functional.normalize(z, dim=1)), 0.2)

    assert torch.autograd.gradcheck(loss, (z,))


def test_views_that_agree_and_stand_apart_have_no_loss():
    z = torch.eye(4, dtype=torch.float64).repeat_interleave(2, dim=0)
    assert info_nce(*pair_similarities(z), 0.01).item() == pytest.approx(0.0, abs=1e-9)


def test_views_that_are_all_equal_cost_the_log_of_the_choices():
    z = torch.ones(8, 3) / math.sqrt(3)
    assert info_nce(*pair_similarities(z), 0.1).item() == pytest.approx(math.log(7), rel=1e-5)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_comes_out_as_float32(dtype):
    z = unit_rows(8, 16).to(dtype)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = info_nce(*pair_similarities(z), 0.01)
    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx(slow_nt_xent(z.double(), 0.01), rel=1e-3)


@pytest.mark.parametrize("rows", [1, 2, 3, 7])
def test_too_few_or_odd_rows_are_named(rows):
    with pytest.raises(ValueError, match=f"got {rows} rows"):
        pair_similarities(torch.rand(rows, 4))


@pytest.mark.parametrize("first", [0, 2])
def test_batch_info_nce_equals_the_loop(first):
    generator = torch.Generator().manual_seed(first)
    query = torch.randn(3, 5, generator=generator, dtype=torch.float64) * 4
    keys = torch.randn(6, 5, generator=generator, dtype=torch.float64) * 4
    total = 0.0
    for i in range(3):
        cosines = [
            float(query[i] @ keys[j] / (query[i].norm() * keys[j].norm())) / 0.3 for j in range(6)
        ]
        total -= math.log(math.exp(cosines[first + i]) / sum(math.exp(c) for c in cosines))
    got = batch_info_nce(query, keys, 0.3, first=first).item()
    assert got == pytest.approx(total / 3, rel=1e-9)
