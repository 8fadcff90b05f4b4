"""Losses for unbalanced classes against loops that follow the papers' formulas."""

import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from mmselfsup.models.losses import (
    effective_number_weights,
    focal_loss,
    inverse_frequency_weights,
    ldam_loss,
    ldam_margins,
    log_prior,
    logit_adjusted_cross_entropy,
    weighted_cross_entropy,
)

COUNTS = [12, 3, 700, 51]


def batch(n=5, c=4, seed=0, scale=3.0):
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(n, c, generator=generator, dtype=torch.float64) * scale
    labels = torch.randint(c, (n,), generator=generator)
    mixed = torch.rand(n, c, generator=generator, dtype=torch.float64)
    return logits, labels, mixed / mixed.sum(dim=1, keepdim=True)


def softmax(row):
    exps = [math.exp(z - max(row)) for z in row]
    return [e / sum(exps) for e in exps]


def slow(logits, labels, weight, loss_of_class):
    """The mean over images of sum_c y_c w_c l_c."""
    total = 0.0
    for row, label in zip(logits.tolist(), labels.tolist(), strict=True):
        soft = label if isinstance(label, list) else [float(c == label) for c in range(len(row))]
        total += sum(y * weight[c] * loss_of_class(row, c) for c, y in enumerate(soft) if y)
    return total / len(logits)


LOSSES = {
    "cross entropy": (
        weighted_cross_entropy,
        lambda row, c: -math.log(softmax(row)[c]),
    ),
    "focal": (
        lambda z, y, weight: focal_loss(z, y, 1.5, weight),
        lambda row, c: -((1 - softmax(row)[c]) ** 1.5) * math.log(softmax(row)[c]),
    ),
    "logit adjustment": (
        lambda z, y, weight: logit_adjusted_cross_entropy(
            z, y, log_prior(torch.tensor(COUNTS)), 0.7, weight
        ),
        lambda row, c: -math.log(
            math.exp(row[c]) * (COUNTS[c] / sum(COUNTS)) ** 0.7
            / sum(math.exp(z) * (n / sum(COUNTS)) ** 0.7 for z, n in zip(row, COUNTS, strict=True))
        ),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("mixed", [False, True])
@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_equals_the_loop(name, mixed, seed):
    fast, of_class = LOSSES[name]
    logits, labels, soft = batch(seed=seed)
    labels = soft if mixed else labels
    weight = torch.tensor([0.5, 2.0, 1.0, 0.1])
    expected = slow(logits, labels, weight.tolist(), of_class)
    assert fast(logits, labels, weight).item() == pytest.approx(expected, rel=1e-5)
    expected = slow(logits, labels, [1.0] * 4, of_class)
    assert fast(logits, labels, None).item() == pytest.approx(expected, rel=1e-5)


def test_special_cases_are_cross_entropy():
    logits, labels, soft = batch(n=9)
    plain = F.cross_entropy(logits, labels)
    torch.testing.assert_close(weighted_cross_entropy(logits, labels), plain)
    torch.testing.assert_close(focal_loss(logits, labels, 0.0), plain)
    even = torch.zeros(4)
    torch.testing.assert_close(logit_adjusted_cross_entropy(logits, labels, even + 3), plain)
    torch.testing.assert_close(ldam_loss(logits, labels, even), plain)
    torch.testing.assert_close(
        weighted_cross_entropy(logits, soft), F.cross_entropy(logits, soft), rtol=1e-6, atol=0
    )
    torch.testing.assert_close(
        weighted_cross_entropy(logits, labels, smoothing=0.1),
        F.cross_entropy(logits, labels, label_smoothing=0.1),
        rtol=1e-6,
        atol=0,
    )


def test_ldam_equals_the_loop():
    logits, labels, soft = batch(n=6)
    margins = 30 * ldam_margins(torch.tensor(COUNTS), 0.5)
    weight = [1.0, 3.0, 0.2, 0.8]

    def of_class(row, c):
        top = math.exp(row[c] - margins[c].item())
        return -math.log(top / (top + sum(math.exp(z) for k, z in enumerate(row) if k != c)))

    expected = slow(logits, labels, weight, of_class)
    assert ldam_loss(logits, labels, margins, torch.tensor(weight)).item() == pytest.approx(
        expected, rel=1e-5
    )
    with pytest.raises(ValueError, match="leave mixup out"):
        ldam_loss(logits, soft, margins)


@pytest.mark.parametrize("gamma", [0.0, 0.5, 1.0, 2.0])
def test_gradients(gamma):
    logits, labels, soft = batch(n=3, scale=1.0)
    logits.requires_grad_()
    weight = torch.tensor([0.5, 2.0, 1.0, 0.1], dtype=torch.float64)
    prior = log_prior(torch.tensor(COUNTS)).double()
    for y in (labels, soft.double()):
        # Labels become float32 inside; so does nothing that has a gradient.
        assert torch.autograd.gradcheck(lambda z, y=y: focal_loss(z, y, gamma, weight), logits)
        assert torch.autograd.gradcheck(lambda z, y=y: weighted_cross_entropy(z, y, weight), logits)
        assert torch.autograd.gradcheck(
            lambda z, y=y: logit_adjusted_cross_entropy(z, y, prior, 1.0, weight), logits
        )
    margins = torch.tensor([0.5, 0.7, 0.1, 0.2], dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda z: ldam_loss(z, labels, margins, weight), logits)


@pytest.mark.parametrize("gamma", [0.0, 0.3, 2.0])
def test_sure_predictions_have_finite_gradients(gamma):
    logits = torch.tensor([[200.0, 0.0], [-200.0, 0.0]], requires_grad=True)
    loss = focal_loss(logits, torch.tensor([0, 0]), gamma)
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(logits.grad).all()
    half = focal_loss(logits.detach().half(), torch.tensor([0, 0]), gamma)
    assert half.dtype == torch.float32


def test_weights_and_margins_by_their_formulas():
    counts = torch.tensor(COUNTS)
    inverse = [1 / n for n in COUNTS]
    torch.testing.assert_close(
        inverse_frequency_weights(counts), torch.tensor(inverse) * 4 / sum(inverse)
    )
    for beta in (0.0, 0.9, 0.999):
        effective = [(1 - beta) / (1 - beta**n) for n in COUNTS]
        torch.testing.assert_close(
            effective_number_weights(counts, beta), torch.tensor(effective) * 4 / sum(effective)
        )
    torch.testing.assert_close(effective_number_weights(counts, 0.0), torch.ones(4))
    torch.testing.assert_close(
        effective_number_weights(counts, 1 - 1e-9),
        inverse_frequency_weights(counts),
        rtol=1e-5,
        atol=0,
    )
    with pytest.raises(ValueError, match="beta must be"):
        effective_number_weights(counts, 1.0)
    margins = ldam_margins(counts, 0.5)
    assert margins.max().item() == margins[1].item() == 0.5
    for n, margin in zip(COUNTS, margins.tolist(), strict=True):
        assert margin == pytest.approx(0.5 * (3 / n) ** 0.25, rel=1e-5)


def test_logit_adjustment_leads_to_balanced_predictions():
    # One feature without information: the best scores are those of the class frequencies. With the
    # adjustment they are all alike (Menon et al. 2021, section 4).
    labels = torch.tensor([0] * 90 + [1] * 10)
    scores = torch.zeros(2, requires_grad=True)
    optimizer = torch.optim.SGD([scores], lr=1.0)
    prior = log_prior(torch.tensor([90, 10]))
    for _ in range(200):
        optimizer.zero_grad()
        logit_adjusted_cross_entropy(scores.expand(100, 2), labels, prior).backward()
        optimizer.step()
    assert (scores[0] - scores[1]).abs().item() < 1e-3


def test_halves_give_the_joined_loss_and_gradient():
    logits, labels, _ = batch(n=8)
    weight = torch.tensor([0.5, 2.0, 1.0, 0.1])
    logits.requires_grad_()
    whole = focal_loss(logits, labels, 2.0, weight)
    (gradient,) = torch.autograd.grad(whole, logits)
    halves = [focal_loss(logits[i : i + 4], labels[i : i + 4], 2.0, weight) for i in (0, 4)]
    joined = sum(halves) / 2
    torch.testing.assert_close(joined, whole)
    torch.testing.assert_close(torch.autograd.grad(joined, logits)[0], gradient)
