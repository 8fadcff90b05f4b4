"""One kernel for a step: chosen where it can be had, equal to the plain loop, loads old files."""

import copy
from typing import Any

import pytest
import torch
from mmcv.runner import OPTIMIZERS
from torch import Tensor, nn, optim

from mmselfsup.core.checkpoint import load_optimizer_state
from mmselfsup.core.optimizer import build_optimizer

CONFIGS: list[dict[str, Any]] = [
    dict(type="SGD", lr=0.1),
    dict(type="SGD", lr=0.1, momentum=0.9, weight_decay=0.01, nesterov=True),
    dict(type="SGD", lr=0.1, momentum=0.9, dampening=0.3, maximize=True),
    dict(type="Adam", lr=0.01, weight_decay=0.1),
    dict(type="Adam", lr=0.01, amsgrad=True),
    dict(type="AdamW", lr=0.01, weight_decay=0.1),
]


def make_model() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.Flatten(), nn.Linear(8, 2))


def steps(model: nn.Module, optimizer: Any, numbers: range) -> list[Tensor]:
    """The weights after steps with gradients that depend on their number; one is missing once."""
    for number in numbers:
        generator = torch.Generator().manual_seed(number)
        for i, param in enumerate(model.parameters()):
            param.grad = torch.randn(param.shape, generator=generator)
            if number == 1 and i == 2:
                param.grad = None
        optimizer.step()
    return [param.detach().clone() for param in model.parameters()]


@pytest.mark.parametrize("config", CONFIGS)
def test_equals_the_plain_loop(config: dict[str, Any]) -> None:
    fast, slow = make_model(), make_model()
    optimizer = build_optimizer(fast, config)
    plain = build_optimizer(slow, {**config, "foreach": False})
    assert bool(optimizer.param_groups[0]["fused"]) == ("dampening" not in config)
    assert not plain.param_groups[0]["fused"]
    pairs = zip(steps(fast, optimizer, range(6)), steps(slow, plain, range(6)), strict=True)
    for mine, theirs in pairs:
        torch.testing.assert_close(mine, theirs, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("config", CONFIGS)
def test_parameters_may_be_frozen_at_first(config: dict[str, Any]) -> None:
    fast, slow = make_model(), make_model()
    optimizer = build_optimizer(fast, config)
    plain = build_optimizer(slow, {**config, "foreach": False})
    for model, one in ((fast, optimizer), (slow, plain)):
        for number in range(4):
            for i, param in enumerate(model.parameters()):
                frozen = i < 4 and number < 2
                param.grad = None if frozen else torch.full_like(param, 0.1 * (i + number + 1))
            one.step()
    for mine, theirs in zip(fast.parameters(), slow.parameters(), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-5, atol=1e-6)


def test_a_skipped_first_step_leaves_no_trace() -> None:
    """As a loss scaler skips it: the optimizer is informed that a gradient overflowed."""
    config = dict(type="SGD", lr=0.1, momentum=0.9)
    fast, slow = make_model(), make_model()
    optimizer = build_optimizer(fast, config)
    for param in fast.parameters():
        param.grad = torch.full_like(param, torch.inf)
    optimizer.grad_scale, optimizer.found_inf = torch.tensor(2.0), torch.tensor(1.0)  # type: ignore[attr-defined]
    optimizer.step()
    del optimizer.grad_scale, optimizer.found_inf  # type: ignore[attr-defined]
    for state in optimizer.state.values():
        assert not state["momentum_buffer"].any()
    plain = build_optimizer(slow, {**config, "foreach": False})
    pairs = zip(steps(fast, optimizer, range(3)), steps(slow, plain, range(3)), strict=True)
    for mine, theirs in pairs:
        torch.testing.assert_close(mine, theirs, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    "choice", [dict(fused=False), dict(foreach=True), dict(foreach=False), dict(capturable=True)]
)
def test_a_choice_in_the_config_stays(choice: dict[str, Any]) -> None:
    config = dict(type="Adam", lr=0.1, **choice)
    before = copy.deepcopy(config)
    group = build_optimizer(make_model(), config).param_groups[0]
    assert not group["fused"]
    assert {key: group[key] for key in choice} == choice
    assert config == before


def test_other_optimizers_and_devices_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    class Mine(optim.SGD):
        """Of a user: what it does in a step is its own."""

    monkeypatch.setitem(OPTIMIZERS._module_dict, "Mine", Mine)
    for kind in ("Mine", "RMSprop", "LARS"):
        group = build_optimizer(make_model(), dict(type=kind, lr=0.1)).param_groups[0]
        assert not group.get("fused")
    elsewhere = make_model().to("meta")
    group = build_optimizer(elsewhere, dict(type="SGD", lr=0.1)).param_groups[0]
    assert not group["fused"]


@pytest.mark.parametrize("config", CONFIGS)
@pytest.mark.parametrize("without", [(), ("fused", "foreach", "maximize", "differentiable")])
def test_an_old_state_is_taken_up(config: dict[str, Any], without: tuple[str, ...]) -> None:
    """A file written by the plain loop, also by a torch that knew no other."""
    slow, fast = make_model(), make_model()
    plain = build_optimizer(slow, {**config, "foreach": False})
    optimizer = build_optimizer(fast, config)
    steps(slow, plain, range(3))
    fast.load_state_dict(slow.state_dict())
    saved = copy.deepcopy(plain.state_dict())
    for group in saved["param_groups"]:
        for key in without:
            if not config.get(key):
                group.pop(key, None)
    load_optimizer_state(optimizer, saved, fast, list(fast.state_dict()))
    assert bool(optimizer.param_groups[0]["fused"]) == ("dampening" not in config)
    pairs = zip(steps(fast, optimizer, range(3, 6)), steps(slow, plain, range(3, 6)), strict=True)
    for mine, theirs in pairs:
        torch.testing.assert_close(mine, theirs, rtol=1e-5, atol=1e-6)


def test_a_fused_state_is_taken_up_by_the_plain_loop() -> None:
    config = CONFIGS[-1]
    fast, slow = make_model(), make_model()
    optimizer = build_optimizer(fast, config)
    steps(fast, optimizer, range(2))
    plain = build_optimizer(slow, {**config, "fused": False})
    load_optimizer_state(plain, optimizer.state_dict(), slow, list(slow.state_dict()))
    assert not plain.param_groups[0]["fused"]
    assert plain.state_dict()["state"].keys() == optimizer.state_dict()["state"].keys()
