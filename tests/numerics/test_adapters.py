"""Adapted linear layers: their formulas, their merged weights, and target networks that follow."""

import copy

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmselfsup.models.utils.adapters import (
    add_columns,
    add_lora,
    is_adapter,
    merge_adapters,
    plain_parameters,
    plain_state,
)
from mmselfsup.models.utils.ema import copy_to_targets, update_targets

OUT, IN, R, ALPHA = 5, 7, 3, 6.0


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def lora(bias: bool = True) -> tuple[nn.Linear, Tensor]:
    """A layer with an update that is not zero, and its weight before."""
    torch.manual_seed(1)
    layer = nn.Linear(IN, OUT, bias=bias)
    start = layer.weight.detach().clone()
    add_lora(layer, R, ALPHA, generator())
    nn.init.normal_(layer.lora_b, std=0.1)
    return layer, start


def columns(numbers: list[int]) -> tuple[nn.Linear, Tensor]:
    torch.manual_seed(1)
    layer = nn.Linear(IN, OUT)
    start = layer.weight.detach().clone()
    add_columns(layer, torch.tensor(numbers))
    with torch.no_grad():
        layer.column_values.normal_()
    return layer, start


@pytest.mark.parametrize("bias", [True, False])
def test_lora_is_its_formula(bias: bool) -> None:
    layer, start = lora(bias)
    x = torch.randn(2, 4, IN)
    weight = start.clone()
    for o in range(OUT):  # W + (alpha / r) B A, element by element
        for i in range(IN):
            low = sum(layer.lora_b[o, r] * layer.lora_a[r, i] for r in range(R))
            weight[o, i] += ALPHA / R * low
    torch.testing.assert_close(layer.weight, weight)
    torch.testing.assert_close(layer(x), F.linear(x, weight, layer.bias), atol=1e-6, rtol=1e-5)


def test_lora_starts_as_the_layer_was() -> None:
    layer = nn.Linear(IN, OUT)
    x = torch.randn(3, IN)
    before = layer(x)
    add_lora(layer, R, ALPHA, generator())
    assert torch.equal(layer(x), before)
    assert torch.equal(plain_state(layer)["weight"], layer.start_weight)
    assert layer.lora_a.abs().max() <= 1 / IN**0.5  # the bound of a new linear layer


@pytest.mark.parametrize("make", [lambda: lora()[0], lambda: columns([1, 4])[0]])
def test_merged_equals_unmerged_and_gradients_agree(make: object) -> None:
    layer: nn.Linear = make()  # type: ignore[operator]
    plain = nn.Linear(IN, OUT)
    plain.load_state_dict(plain_state(layer))
    x = torch.randn(8, IN)
    torch.testing.assert_close(layer(x), plain(x), atol=1e-6, rtol=0)
    # The forward pass and the ``weight`` that others read have the same derivatives.
    trained = [p for p in layer.parameters() if p.requires_grad]
    by_call = torch.autograd.grad(layer(x).square().sum(), trained)
    by_weight = torch.autograd.grad(F.linear(x, layer.weight, layer.bias).square().sum(), trained)
    for a, b in zip(by_call, by_weight, strict=True):
        torch.testing.assert_close(a, b, atol=1e-5, rtol=1e-5)


def test_columns_train_alone() -> None:
    layer, start = columns([1, 4])
    changed = (layer.weight != start).any(dim=0)
    assert changed.nonzero().flatten().tolist() == [1, 4]
    assert [n for n, p in layer.named_parameters() if p.requires_grad] == ["column_values"]
    x = torch.randn(3, 2, IN)
    torch.testing.assert_close(layer(x), F.linear(x, layer.weight, layer.bias))


def test_weights_of_a_file_are_merged_under_any_prefix() -> None:
    first, second = lora()[0], columns([0, 2])[0]
    net = nn.Sequential(first, nn.Identity(), second)
    weights = {f"module.backbone.{name}": t for name, t in net.state_dict().items()}
    untouched = {name: t.clone() for name, t in weights.items()}
    names = [n for n in weights if not is_adapter(n)]
    tensors = dict(weights)
    assert merge_adapters(weights)
    assert list(weights) == names
    assert torch.equal(weights["module.backbone.0.weight"], first.weight)
    assert torch.equal(weights["module.backbone.2.weight"], second.weight)
    for name, tensor in tensors.items():
        assert torch.equal(tensor, untouched[name]), name
    assert not merge_adapters(weights)


def test_targets_follow_the_adapted_weights() -> None:
    online = nn.Sequential(nn.Linear(IN, OUT), nn.ReLU(), nn.Linear(OUT, OUT))
    target = copy.deepcopy(online)
    add_lora(online[0], R, ALPHA, generator())
    add_columns(online[2], torch.tensor([3]))
    copy_to_targets([(online, target)])
    start = [p.clone() for p in target.parameters()]
    nn.init.normal_(online[0].lora_b)
    with torch.no_grad():
        online[2].column_values.add_(1)
    new = [online[0].weight, online[0].bias, online[2].weight, online[2].bias]
    assert [p.shape for p in plain_parameters(online)] == [p.shape for p in target.parameters()]
    update_targets([(online, target)], 0.9)
    for now, old, wanted in zip(target.parameters(), start, new, strict=True):
        torch.testing.assert_close(now, 0.9 * old + 0.1 * wanted)
    assert torch.equal(target[0].bias, start[1])  # frozen: bit-equal
    others = [0, 1, 2, 4]
    assert torch.equal(target[2].weight[:, others], start[2][:, others])


def test_shared_layers_count_once() -> None:
    layer = nn.Linear(IN, IN)
    net = nn.Sequential(layer, layer, nn.Linear(IN, OUT))
    add_lora(net[2], R, ALPHA, generator())
    assert len(plain_parameters(net)) == 4


def test_columns_keep_their_own_weight_decay() -> None:
    """The decay acts on the trained columns as on a weight, and on no other column."""
    layer, start = columns([2])
    values = layer.column_values.detach().clone()
    optimizer = torch.optim.SGD(layer.parameters(), lr=0.1, weight_decay=0.5)
    (layer(torch.zeros(1, IN)).sum() * 0).backward()
    optimizer.step()
    torch.testing.assert_close(layer.column_values.detach(), values * 0.95)
    assert torch.equal(layer.weight[:, 3:], start[:, 3:])


def test_copies_and_files_hold_everything(tmp_path: object) -> None:
    layer, _ = lora()
    again = copy.deepcopy(layer)
    x = torch.randn(2, IN)
    assert torch.equal(layer(x), again(x))
    other = nn.Linear(IN, OUT)
    add_lora(other, R, 1.0, torch.Generator().manual_seed(9))
    other.load_state_dict(layer.state_dict())  # the factor is part of the state
    assert torch.equal(layer(x), other(x))
