"""Every algorithm takes part in ``adapt``: what is frozen stays, the rest and targets move."""

import copy

import pytest
import torch
from test_algorithms import NAMES
from tiny_models import TINY

from mmselfsup.core import build_optimizer
from mmselfsup.core.adaptation import adapt_model
from mmselfsup.models import build_algorithm
from mmselfsup.models.utils.adapters import plain_state
from mmselfsup.models.utils.backbone_parts import attention_blocks

TYPES = {
    "full": {},
    "last_blocks": {"blocks": 1},
    "lora": {"rank": 2},
    "apla": {"columns": 0.5},
    "norm_bias": {},
}


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("name", NAMES)
def test_a_step_changes_what_trains_and_nothing_else(name, kind):
    torch.manual_seed(0)
    model = build_algorithm(copy.deepcopy(TINY[name].cfg))
    model.init_weights()
    TINY[name].prepare(model)
    if kind in ("lora", "apla") and not attention_blocks(model.backbone):
        pytest.skip("no attention: tests/apis/training/test_adapt.py has the error")
    pairs = getattr(model, "momentum_pairs", list)()
    names = [list(target.state_dict()) for _, target in pairs]
    adaptation = adapt_model(model, {"type": kind, **TYPES[kind]})
    optimizer = build_optimizer(model, {"type": "SGD", "lr": 0.1, "weight_decay": 0.1})
    before = {k: p.detach().clone() for k, p in model.named_parameters()}
    batch = TINY[name].batch(8, torch.Generator().manual_seed(0))
    model.train()
    for _ in range(2):  # the first gradient of LoRA's A is zero, since B is
        optimizer.zero_grad()
        model.train_step(batch, None)["loss"].backward()
        trained = {k for k, p in model.named_parameters() if p.grad is not None}
        optimizer.step()
        if pairs:
            model.momentum_update()
    targets = {id(p) for _, target in pairs for p in target.parameters()}
    for key, param in model.named_parameters():
        if id(param) in targets:
            continue
        assert param.requires_grad or torch.equal(param, before[key]), key
        if key in trained:
            assert not torch.equal(param, before[key]) or not param.any(), key
    assert any(key.startswith(adaptation.prefix) for key in trained)
    for (online, target), expected in zip(pairs, names, strict=True):
        assert list(target.state_dict()) == expected  # ordinary weights, as ever
        assert plain_state(online).keys() == target.state_dict().keys()
