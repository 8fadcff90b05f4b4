"""Every algorithm trains in bfloat16 and channels_last as it does in float32."""

import copy

import pytest
import torch
from tiny_models import TINY

from mmselfsup.models import build_algorithm
from mmselfsup.models.algorithms.base import parse_losses

NAMES = sorted(TINY)


def step(name, half):
    torch.manual_seed(0)
    model = build_algorithm(copy.deepcopy(TINY[name].cfg))
    model.init_weights()
    TINY[name].prepare(model)
    batch = TINY[name].batch(8, torch.Generator().manual_seed(0))
    if half:
        model.amp_dtype = torch.bfloat16
        model.to(memory_format=torch.channels_last)
    torch.manual_seed(0)
    loss, _ = parse_losses(model(**batch))
    loss.backward()
    return loss, {name for name, p in model.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("name", NAMES)
def test_loss_and_gradients(name):
    full, with_gradient = step(name, half=False)
    half, with_gradient_too = step(name, half=True)
    assert half.dtype is torch.float32
    assert half.item() == pytest.approx(full.item(), rel=0.1, abs=0.4)  # 3 digits
    assert with_gradient_too == with_gradient


@pytest.mark.parametrize("name", NAMES)
def test_every_algorithm_has_the_switch(name):
    assert build_algorithm(TINY[name].cfg).amp_dtype is None
