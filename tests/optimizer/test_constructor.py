"""Parameter-wise options by regular expression, as 0.x configs write them."""

from collections import OrderedDict
from typing import Any

import pytest
import torch
from torch import nn

from mmselfsup.core.optimizer import build_optimizer
from mmselfsup.utils.errors import UserError

SIMCLR_OPTIONS = {
    "(bn|gn)(\\d+)?.(weight|bias)": dict(weight_decay=0.0, lars_exclude=True),
    "bias": dict(weight_decay=0.0, lars_exclude=True),
}


def make_model() -> nn.Module:
    backbone = nn.Sequential(
        OrderedDict(conv1=nn.Conv2d(3, 4, 3), bn1=nn.BatchNorm2d(4), conv2=nn.Conv2d(4, 4, 3))
    )
    model = nn.Module()
    model.backbone = backbone
    model.head = nn.Sequential(OrderedDict(fc=nn.Linear(4, 2)))
    return model


def options_by_name(model: nn.Module, config: dict[str, Any]) -> dict[str, dict[str, Any]]:
    optimizer = build_optimizer(model, config)
    groups = {id(p): g for g in optimizer.param_groups for p in g["params"]}
    return {name: groups[id(param)] for name, param in model.named_parameters()}


def test_norms_that_no_expression_of_lars_matches_are_named(
    capsys: pytest.CaptureFixture[str],
) -> None:
    model = make_model()
    model.backbone.downsample = nn.Sequential(nn.Conv2d(4, 4, 1), nn.BatchNorm2d(4))
    config = dict(type="LARS", lr=0.3, weight_decay=1e-6, paramwise_options=SIMCLR_OPTIONS)
    groups = options_by_name(model, config)
    assert not groups["backbone.downsample.1.weight"]["lars_exclude"], "as in 0.x"
    (line,) = capsys.readouterr().err.splitlines()
    assert line.endswith("doesn't exclude from LARS: 1 (backbone.downsample.1.weight, ...)")
    shortcuts = {r"downsample\.1\.weight": dict(weight_decay=0.0, lars_exclude=True)}
    for options in (SIMCLR_OPTIONS | shortcuts, {"bias": dict(weight_decay=0.0)}):
        groups = options_by_name(model, {**config, "paramwise_options": options})
        assert not capsys.readouterr().err
        excluded = groups["backbone.downsample.1.weight"]["lars_exclude"]
        assert excluded == ("downsample" in str(options))


def test_lars_options() -> None:
    config = dict(type="LARS", lr=0.3, weight_decay=1e-6, paramwise_options=SIMCLR_OPTIONS)
    groups = options_by_name(make_model(), config)
    excluded = {name for name, group in groups.items() if group["lars_exclude"]}
    assert excluded == {
        "backbone.conv1.bias",
        "backbone.bn1.weight",
        "backbone.bn1.bias",
        "backbone.conv2.bias",
        "head.fc.bias",
    }
    for name, group in groups.items():
        assert group["weight_decay"] == (0 if name in excluded else 1e-6)
    assert config["paramwise_options"] is SIMCLR_OPTIONS, "the config stays as it was"


def test_weight_decay_by_dimension() -> None:
    model = make_model()
    model.backbone.downsample = nn.Sequential(nn.Conv2d(4, 4, 1), nn.BatchNorm2d(4))
    model.cls_token = nn.Parameter(torch.zeros(1, 1, 4))
    model.scale = nn.Parameter(torch.zeros(()))
    config = dict(type="AdamW", lr=0.1, weight_decay=0.05, norm_bias_decay=0.0)
    for name, group in options_by_name(model, config).items():
        is_flat = dict(model.named_parameters())[name].ndim <= 1
        assert group["weight_decay"] == (0.0 if is_flat else 0.05), name
    assert options_by_name(model, config)["backbone.downsample.1.weight"]["weight_decay"] == 0
    assert len(build_optimizer(model, config).param_groups) == 2


def test_expressions_come_after_the_dimension() -> None:
    options = {"head": dict(weight_decay=0.3), r"conv1\.bias": dict(weight_decay_mult=2)}
    config = dict(type="LARS", lr=0.3, weight_decay=0.1, norm_bias_decay=0.01)
    groups = options_by_name(make_model(), {**config, "paramwise_options": options})
    assert groups["head.fc.bias"]["weight_decay"] == 0.3
    assert groups["backbone.conv1.bias"]["weight_decay"] == 0.2
    assert groups["backbone.bn1.weight"]["weight_decay"] == 0.01
    assert groups["backbone.conv1.weight"]["weight_decay"] == 0.1
    assert not any(group["lars_exclude"] for group in groups.values()), "that is another option"


def test_weight_decay_by_dimension_beside_layer_decay_and_freezing() -> None:
    model = make_model()
    model.backbone.layer1 = nn.Sequential(OrderedDict(bn=nn.BatchNorm2d(4)))
    model.head.fc.bias.requires_grad = False
    config = dict(type="SGD", lr=1.0, weight_decay=0.1, norm_bias_decay=0, layer_decay=0.5)
    groups = options_by_name(model, config)
    scale = groups["backbone.layer1.bn.weight"]
    assert (scale["weight_decay"], scale["lr"]) == (0, 0.5)
    assert groups["head.fc.bias"]["weight_decay"] == 0.1, "frozen: in the group without options"


@pytest.mark.parametrize("constructor", ["Default", "TransformerFinetune"])
@pytest.mark.parametrize("wrong", [-0.1, "none"])
def test_a_wrong_weight_decay_by_dimension_is_refused(constructor: str, wrong: Any) -> None:
    kinds = dict(Default="DefaultOptimizerConstructor")
    name = kinds.get(constructor, f"{constructor}Constructor")
    config = dict(type="SGD", lr=0.1, norm_bias_decay=wrong, constructor=name)
    with pytest.raises(UserError, match=r"optimizer\.norm_bias_decay is .*: give a number from 0"):
        build_optimizer(make_model(), config)


def test_weight_decay_by_dimension_and_options_of_mmcv() -> None:
    config = dict(type="SGD", lr=0.1, norm_bias_decay=0.0, paramwise_cfg=dict(bias_lr_mult=2))
    with pytest.raises(UserError, match="norm_bias_decay and layer_decay, or paramwise_cfg"):
        build_optimizer(make_model(), config)


def test_equal_options_share_a_group_and_the_default_comes_first() -> None:
    optimizer = build_optimizer(
        make_model(), dict(type="LARS", lr=0.3, paramwise_options=SIMCLR_OPTIONS)
    )
    assert [len(group["params"]) for group in optimizer.param_groups] == [3, 5]
    assert optimizer.param_groups[0]["lars_exclude"] is False


def test_multiplier_and_later_expression_wins() -> None:
    options = {r"\Ahead.": dict(lr_mult=100), "bias": dict(lr=7.0), "fc.bias": dict(momentum=0.0)}
    config = dict(type="SGD", lr=0.01, momentum=0.9, paramwise_options=options)
    groups = options_by_name(make_model(), config)
    assert groups["head.fc.weight"]["lr"] == pytest.approx(1.0)
    assert groups["head.fc.bias"]["lr"] == 7.0
    assert groups["head.fc.bias"]["momentum"] == 0.0
    assert groups["backbone.conv1.weight"]["lr"] == 0.01


def test_frozen_parameters_stay_in_the_optimizer_without_options() -> None:
    model = make_model()
    model.backbone.requires_grad_(False)
    groups = options_by_name(model, dict(type="SGD", lr=0.1, paramwise_options=SIMCLR_OPTIONS))
    assert "lars_exclude" not in groups["backbone.bn1.weight"]
    assert groups["head.fc.bias"]["lars_exclude"] is True


def test_no_options_make_one_group_and_a_wrapped_model_is_unwrapped() -> None:
    wrapped = nn.DataParallel(make_model())
    optimizer = build_optimizer(wrapped, dict(type="AdamW", lr=0.1))
    assert len(optimizer.param_groups) == 1
    assert len(optimizer.param_groups[0]["params"]) == 8


def test_options_of_0x_that_name_nothing_are_harmless() -> None:
    config = dict(type="SGD", lr=0.1, paramwise_options=dict(norm_decay_mult=0.0))
    assert len(build_optimizer(make_model(), config).param_groups) == 1


def test_mmcv_paramwise_cfg_still_works() -> None:
    config = dict(type="SGD", lr=0.1, weight_decay=0.1, paramwise_cfg=dict(norm_decay_mult=0.0))
    groups = options_by_name(make_model(), config)
    assert groups["backbone.bn1.weight"]["weight_decay"] == 0
    assert groups["backbone.conv1.weight"]["weight_decay"] == 0.1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"(bn": dict(weight_decay=0.0)}, "no regular expression"),
        ({"bias": dict(momentum_mult=2)}, r"add optimizer\.momentum"),
    ],
)
def test_bad_options(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        build_optimizer(make_model(), dict(type="SGD", lr=0.1, paramwise_options=options))


def test_both_kinds_of_options_are_an_error() -> None:
    config = dict(
        type="SGD",
        lr=0.1,
        weight_decay=0.1,
        paramwise_options=SIMCLR_OPTIONS,
        paramwise_cfg=dict(norm_decay_mult=0.0),
    )
    with pytest.raises(UserError, match="not both"):
        build_optimizer(make_model(), config)


def test_grouped_step_equals_one_group_per_parameter() -> None:
    torch.manual_seed(0)
    grouped = make_model()
    single = make_model()
    single.load_state_dict(grouped.state_dict())
    config = dict(type="LARS", lr=0.3, momentum=0.9, weight_decay=0.1)
    optimizer = build_optimizer(grouped, {**config, "paramwise_options": SIMCLR_OPTIONS})
    excluded = dict(weight_decay=0.0, lars_exclude=True)
    from mmselfsup.core.optimizer import LARS

    plain = LARS(
        [
            dict(params=[p], **(excluded if "bn" in n or "bias" in n else {}))
            for n, p in single.named_parameters()
        ],
        lr=0.3,
        momentum=0.9,
        weight_decay=0.1,
    )
    for _ in range(3):
        for a, b in zip(grouped.parameters(), single.parameters(), strict=True):
            a.grad = torch.randn_like(a)
            b.grad = a.grad.clone()
        optimizer.step()
        plain.step()
    for a, b in zip(grouped.parameters(), single.parameters(), strict=True):
        assert torch.equal(a, b)
