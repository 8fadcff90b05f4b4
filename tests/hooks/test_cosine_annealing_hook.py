"""Warm-up, then a cosine that begins behind it; the values are those of MMSelfSup 0.11.0."""

from types import SimpleNamespace

import pytest
from mmcv.runner import HOOKS

from mmselfsup.core.hooks import StepFixCosineAnnealingLrUpdaterHook


def make(by_epoch=False, warmup="linear", **kwargs):
    hook = StepFixCosineAnnealingLrUpdaterHook(
        warmup=warmup, warmup_iters=10, warmup_ratio=0.2, by_epoch=by_epoch, **kwargs
    )
    hook.regular_lr = [1.0, 0.5]
    return hook


def at(**kwargs):
    return SimpleNamespace(max_iters=30, max_epochs=3, data_loader=[0] * 10, **kwargs)


def test_the_policy_finds_it():
    assert HOOKS.get("StepFixCosineAnnealingLrUpdaterHook") is StepFixCosineAnnealingLrUpdaterHook


@pytest.mark.parametrize("iteration", [0, 2, 10])
def test_linear_warm_up_begins_at_nothing(iteration):
    fraction = iteration / 10
    assert make(min_lr=0.1).get_warmup_lr(iteration) == pytest.approx([fraction, fraction / 2])


def test_other_warm_ups_are_mmcvs():
    exponential = make(warmup="exp", min_lr=0.1).get_warmup_lr(5)
    assert exponential == pytest.approx([0.2**0.5, 0.5 * 0.2**0.5])
    assert make(warmup="constant", min_lr=0.1).get_warmup_lr(5) == pytest.approx([0.2, 0.1])


@pytest.mark.parametrize(
    ("iteration", "lr"), [(9, 0.99446), (12, 0.97798), (15, 0.8682), (21, 0.4796), (27, 0.14905)]
)
def test_cosine_by_iteration(iteration, lr):
    assert make(min_lr=0.1).get_lr(at(iter=iteration), 1.0) == pytest.approx(lr, abs=5e-6)


@pytest.mark.parametrize(("epoch", "lr"), [(1, 1.0), (2, 0.55)])
def test_cosine_by_epoch(epoch, lr):
    assert make(by_epoch=True, min_lr=0.1).get_lr(at(epoch=epoch), 1.0) == pytest.approx(lr)


def test_lowest_rate_as_a_fraction():
    end = make(min_lr_ratio=0.01).get_lr(at(iter=30), 2.0)
    assert end == pytest.approx(0.02)


@pytest.mark.parametrize("end", [4, 10])
def test_a_run_that_is_not_longer_than_its_warm_up_rises_linearly(end):
    hook, rates = make(min_lr=0.0), []
    for i in range(end):
        hook.regular_lr = [hook.get_lr(SimpleNamespace(iter=i, max_iters=end), 1.0)]
        rates += hook.get_warmup_lr(i)
    assert rates == pytest.approx([i / 10 for i in range(end)])
