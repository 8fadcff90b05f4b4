"""Target networks against a loop over single weights."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mmselfsup.models.utils import copy_to_targets, update_targets
from mmselfsup.models.utils.adapters import add_lora


def networks(seed=0):
    torch.manual_seed(seed)
    nets = [
        torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.BatchNorm1d(2)).double()
        for _ in range(2)
    ]
    for net in nets:
        for p in net.parameters():
            torch.nn.init.uniform_(p, -1, 1)
    nets[0](torch.rand(5, 3, dtype=torch.float64))  # statistics that differ from the start
    return nets


@given(momentum=st.floats(0, 1), steps=st.integers(1, 4))
@settings(max_examples=20, deadline=None)
def test_update_equals_the_loop(momentum, steps):
    online, target = networks()
    expected = [p.flatten().tolist() for p in target.parameters()]
    for _ in range(steps):
        update_targets([(online, target)], momentum)
        for old, new in zip(expected, online.parameters(), strict=True):
            for i, value in enumerate(new.flatten().tolist()):
                old[i] = momentum * old[i] + (1 - momentum) * value
    for p, values in zip(target.parameters(), expected, strict=True):
        assert p.flatten().tolist() == pytest.approx(values, rel=1e-12, abs=1e-12)


def test_update_leaves_statistics_and_the_online_network_alone():
    online, target = networks()
    before = {k: v.clone() for k, v in online.state_dict().items()}
    statistics = {k: v.clone() for k, v in target.named_buffers()}
    update_targets([(online, target)], 0.3)
    assert all(torch.equal(v, before[k]) for k, v in online.state_dict().items())
    assert all(torch.equal(v, statistics[k]) for k, v in target.named_buffers())


def test_update_has_no_graph():
    online, target = networks()
    target.requires_grad_(True)
    update_targets([(online, target)], 0.5)
    assert all(p.is_leaf and p.grad_fn is None for p in target.parameters())


def test_copy_takes_statistics_too_and_stops_gradients():
    online, target = networks()
    copy_to_targets([(online, target)])
    for key, value in online.state_dict().items():
        assert torch.equal(target.state_dict()[key], value), key
    assert not any(p.requires_grad for p in target.parameters())
    assert all(p.requires_grad for p in online.parameters())


@pytest.mark.parametrize("momentum", [-0.1, 1.5])
def test_momentum_has_a_range(momentum):
    with pytest.raises(ValueError, match=f"0..1, got {momentum}"):
        update_targets([networks()], momentum)


def test_modules_without_weights_are_no_trouble():
    update_targets([(torch.nn.ReLU(), torch.nn.ReLU())], 0.9)


def test_a_target_of_adapted_weights_is_not_rounded_in_a_forward_pass():
    """MoCo moves its target under autocast."""
    online, target = (torch.nn.Linear(16, 16) for _ in range(2))
    add_lora(online, 4, 16.0, torch.Generator().manual_seed(0))
    torch.nn.init.normal_(online.lora_b, generator=torch.Generator().manual_seed(1))
    wanted = online.weight.detach().clone()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        update_targets([(online, target)], 0.0)
    torch.testing.assert_close(target.weight.detach(), wanted)
