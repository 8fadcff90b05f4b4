"""Layer-wise learning-rate decay of a ResNet."""

from typing import Any

import pytest
import torch
from mmcv import Config
from torch import nn

from mmselfsup.config.check import check_config
from mmselfsup.core import build_optimizer
from mmselfsup.core.optimizer.constructor import resnet_layer
from mmselfsup.models import build_algorithm
from mmselfsup.utils.errors import UserError


def model(**backbone: Any) -> nn.Module:
    return build_algorithm(
        dict(
            type="Classification",
            backbone=dict(
                type="ResNet", depth=18, in_channels=3, stem_channels=4, base_channels=4,
                out_indices=[4], norm_cfg=dict(type="BN"), **backbone,
            ),
            head=dict(type="ClsHead", with_avg_pool=True, in_channels=32, num_classes=3),
        )
    )  # fmt: skip


def test_rates_by_layer() -> None:
    net = model()
    options = {"head": dict(lr_mult=10), r"bn\d?\.": dict(weight_decay=0.0)}
    optimizer = build_optimizer(
        net,
        dict(type="SGD", lr=0.1, weight_decay=0.01, layer_decay=0.5, paramwise_options=options),
    )
    rates = {id(p): group["lr"] for group in optimizer.param_groups for p in group["params"]}
    decays = {
        id(p): group["weight_decay"] for group in optimizer.param_groups for p in group["params"]
    }
    for name, param in net.named_parameters():
        if name.startswith("head"):
            expected = 0.1 * 10
        elif ".layer" in name:
            expected = 0.1 * 0.5 ** (5 - int(name.split("layer")[1][0]))
        else:
            expected = 0.1 * 0.5**5
        assert rates[id(param)] == pytest.approx(expected), name
        assert decays[id(param)] == (0.0 if ".bn" in name else 0.01), name
    assert sum(len(group["params"]) for group in optimizer.param_groups) == len(rates)


def test_one_is_no_decay() -> None:
    torch.manual_seed(0)
    optimizer = build_optimizer(model(), dict(type="SGD", lr=0.1, layer_decay=1.0))
    assert {group["lr"] for group in optimizer.param_groups} == {0.1}


def test_names() -> None:
    names = ("backbone.conv1.weight", "backbone.layer3.0.conv1.weight", "head.fc_cls.bias")
    assert [resnet_layer(name, 4) for name in names] == [0, 3, 5]


def test_mistakes() -> None:
    for decay in (0.0, 1.5):
        with pytest.raises(UserError, match="layer_decay is"):
            build_optimizer(model(), dict(type="SGD", lr=0.1, layer_decay=decay))
    with pytest.raises(UserError, match="needs a ResNet as backbone, not NoneType"):
        build_optimizer(nn.Linear(1, 1), dict(type="SGD", lr=0.1, layer_decay=0.5))
    with pytest.raises(UserError, match="not both"):
        build_optimizer(
            model(),
            dict(type="SGD", lr=0.1, layer_decay=0.5, paramwise_cfg=dict(bias_lr_mult=2.0)),
        )


def test_key_is_known() -> None:
    check_config(Config(dict(optimizer=dict(type="SGD", lr=0.1, layer_decay=0.5))))
