"""LARS against a loop over single tensors, written from the paper's Algorithm 1."""

from typing import Any

import pytest
import torch
from mmcv.runner import OPTIMIZERS
from torch import Tensor, nn

from mmselfsup.core.optimizer import LARS

SHAPES = [(4, 3, 3, 3), (4,), (7, 5), (1,)]


def make_params(seed: int = 0) -> list[nn.Parameter]:
    generator = torch.Generator().manual_seed(seed)
    return [nn.Parameter(torch.randn(shape, generator=generator)) for shape in SHAPES]


def make_grads(step: int) -> list[Tensor]:
    generator = torch.Generator().manual_seed(100 + step)
    return [torch.randn(shape, generator=generator) for shape in SHAPES]


def slow_lars(
    weights: list[Tensor],
    buffers: list[Tensor | None],
    grads: list[Tensor],
    *,
    lr: float,
    momentum: float,
    weight_decay: float,
    dampening: float = 0,
    eta: float = 0.001,
    nesterov: bool = False,
    eps: float = 1e-8,
    lars_exclude: bool = False,
) -> None:
    """One step, tensor by tensor."""
    for i, (weight, grad) in enumerate(zip(weights, grads, strict=True)):
        weight_norm, grad_norm = weight.norm(), grad.norm()
        ratio = torch.tensor(1.0)
        if not lars_exclude and weight_norm > 0 and grad_norm > 0:
            ratio = eta * weight_norm / (grad_norm + weight_decay * weight_norm + eps)
        step = lr if lars_exclude else ratio * lr
        update = torch.add(grad, weight, alpha=weight_decay) * step  # rounded once
        if momentum:
            old = buffers[i]
            buffer = update
            if old is not None:
                buffer = torch.add(momentum * old, update, alpha=1 - dampening)
            buffers[i] = buffer.clone()
            update = torch.add(update, buffer, alpha=momentum) if nesterov else buffer
        weight -= update


@pytest.mark.parametrize(
    "options",
    [
        dict(lr=0.3, momentum=0.9, weight_decay=1e-6),
        dict(lr=0.3, momentum=0, weight_decay=0.0),
        dict(lr=4.8, momentum=0.9, weight_decay=1e-4, dampening=0.25, eta=0.02),
        dict(lr=0.3, momentum=0.9, weight_decay=1e-6, nesterov=True),
        dict(lr=0.3, momentum=0.9, weight_decay=0.1, lars_exclude=True),
    ],
)
def test_equals_slow_reference_bit_for_bit(options: dict[str, Any]) -> None:
    params = make_params()
    weights = [param.detach().clone() for param in params]
    buffers: list[Tensor | None] = [None] * len(params)
    group = dict(params=params, lars_exclude=options.get("lars_exclude", False))
    arguments = {k: v for k, v in options.items() if k != "lars_exclude"}
    optimizer = LARS([group], **arguments)
    for step in range(5):
        for param, grad in zip(params, make_grads(step), strict=True):
            param.grad = grad.clone()
        optimizer.step()
        slow_lars(weights, buffers, make_grads(step), **options)
    for param, weight in zip(params, weights, strict=True):
        assert torch.equal(param, weight)


def test_equation_6_on_numbers() -> None:
    # |w| = 5, |g| = 10, eta = 0.1, decay 0.2: 0.1 * 5 / (10 + 0.2 * 5) = 1/22
    param = nn.Parameter(torch.tensor([3.0, 4.0]))
    param.grad = torch.tensor([6.0, 8.0])
    LARS([param], lr=2.0, weight_decay=0.2, eta=0.1, eps=0).step()
    expected = torch.tensor([3.0, 4.0]) - 2 / 22 * torch.tensor([6.6, 8.8])
    torch.testing.assert_close(param.detach(), expected)


def test_zero_weight_or_gradient_takes_plain_step() -> None:
    zero = nn.Parameter(torch.zeros(3))
    zero.grad = torch.ones(3)
    still = nn.Parameter(torch.ones(3))
    still.grad = torch.zeros(3)
    unused = nn.Parameter(torch.ones(3))
    LARS([zero, still, unused], lr=0.5).step()
    assert torch.equal(zero, torch.full((3,), -0.5))
    assert torch.equal(still, torch.ones(3))
    assert torch.equal(unused, torch.ones(3))


def test_parameter_that_joins_later() -> None:
    params = make_params()
    alone = make_params()
    optimizer, other = LARS(params, lr=0.1, momentum=0.9), LARS(alone, lr=0.1, momentum=0.9)
    for step in range(3):
        for i, grad in enumerate(make_grads(step)):
            params[i].grad = None if i == 1 and step == 0 else grad.clone()
            alone[i].grad = grad.clone()
        optimizer.step()
        other.step()
    assert torch.equal(params[0], alone[0])
    assert not torch.equal(params[1], alone[1])


def test_scaling_the_loss_changes_nothing() -> None:
    """The step doesn't depend on the size of the gradient: the point of LARS."""
    small, large = make_params(), make_params()
    for a, b, grad in zip(small, large, make_grads(0), strict=True):
        a.grad, b.grad = grad.clone(), 1000 * grad
    LARS(small, lr=0.3, eps=0).step()
    LARS(large, lr=0.3, eps=0).step()
    for a, b in zip(small, large, strict=True):
        torch.testing.assert_close(a, b)


def test_state_round_trip_and_old_groups() -> None:
    params = make_params()
    optimizer = LARS(params, lr=0.3, momentum=0.9)
    for param, grad in zip(params, make_grads(0), strict=True):
        param.grad = grad
    optimizer.step()
    state = optimizer.state_dict()
    assert set(state["state"][0]) == {"momentum_buffer"}
    for group in state["param_groups"]:
        del group["lars_exclude"]
    fresh = LARS(make_params(), lr=0.1)
    fresh.load_state_dict(state)
    assert fresh.param_groups[0]["lars_exclude"] is False
    assert fresh.param_groups[0]["lr"] == 0.3


def test_closure_and_registry() -> None:
    param = nn.Parameter(torch.ones(2))

    def closure() -> Tensor:
        loss = (param**2).sum()
        loss.backward()
        return loss

    optimizer = OPTIMIZERS.build(dict(type="LARS", params=[param], lr=0.1))
    assert optimizer.step(closure).item() == 2


@pytest.mark.parametrize(
    "bad",
    [
        dict(lr=-1),
        dict(lr=0.1, momentum=-0.1),
        dict(lr=0.1, weight_decay=-1),
        dict(lr=0.1, eta=0),
        dict(lr=0.1, nesterov=True),
    ],
)
def test_bad_arguments(bad: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"LARS|nesterov"):
        LARS(make_params(), **bad)
