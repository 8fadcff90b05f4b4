"""ResNets: outputs counted from the stem, freezing, and mmcls's backbones by scope."""

import pytest
import torch
from torch import nn

from mmselfsup.models import BACKBONES, build_backbone
from mmselfsup.models.backbones.resnet import BasicBlock, Bottleneck
from mmselfsup.models.utils import ResLayer

SMALL = {"type": "ResNet", "depth": 18, "stem_channels": 8, "base_channels": 8}


def build(**kwargs):
    return build_backbone({**SMALL, **kwargs})


def test_outputs_are_counted_from_the_stem():
    shapes = [tuple(o.shape) for o in build(out_indices=range(5)).eval()(torch.rand(1, 3, 32, 32))]
    assert shapes == [(1, 8, 16, 16), (1, 8, 8, 8), (1, 16, 4, 4), (1, 32, 2, 2), (1, 64, 1, 1)]


def test_the_stem_comes_before_its_pooling_and_after_its_relu():
    model = build(out_indices=[0]).eval()
    x = torch.rand(1, 3, 32, 32)
    (stem,) = model(x)
    assert torch.equal(stem, torch.relu(model.bn1(model.conv1(x))))


def test_the_last_stage_is_the_default():
    assert build().out_indices == (4,)


@pytest.mark.parametrize(
    ("frozen", "names"),
    [(-1, set()), (0, {"conv1", "bn1"}), (2, {"conv1", "bn1", "layer1", "layer2"})],
)
def test_frozen_stages_stay_frozen_in_train_mode(frozen, names):
    model = build(frozen_stages=frozen).train()
    got = {
        name
        for name, child in model.named_children()
        if list(child.parameters()) and not any(p.requires_grad for p in child.parameters())
    }
    assert got == names
    assert all(not getattr(model, name).training for name in names - {"conv1"})


def test_norm_eval_keeps_running_statistics():
    model = build(norm_eval=True).train()
    before = model.bn1.running_mean.clone()
    model(torch.rand(2, 3, 32, 32))
    assert torch.equal(model.bn1.running_mean, before)


def test_drop_path_rate_is_equal_in_all_blocks():
    model = build(drop_path_rate=0.3)
    rates = [m.drop_prob for m in model.modules() if type(m).__name__ == "DropPath"]
    assert rates == [0.3] * 8


def test_zero_init_residual_starts_blocks_as_the_identity():
    model = build(zero_init_residual=True)
    model.init_weights()
    assert model.layer1[0].bn2.weight.abs().max() == 0
    assert build().layer1[0].bn2.weight.min() == 1


def test_init_is_kaiming_over_fan_out():
    model = build(base_channels=32, stem_channels=32)
    model.init_weights()
    weight = model.layer1[0].conv1.weight
    assert weight.std().item() == pytest.approx((2 / (32 * 9)) ** 0.5, rel=0.1)


def test_stem_channels_none_follows_the_base():
    assert build(stem_channels=None, base_channels=16).conv1.out_channels == 16


@pytest.mark.parametrize(
    ("kwargs", "words"),
    [
        ({"depth": 17}, "17"),
        ({"out_indices": (5,)}, "0..4"),
        ({"out_indices": ()}, "0..4"),
        ({"num_stages": 2, "strides": (1, 2), "dilations": (1, 1)}, "0..2"),
    ],
)
def test_bad_arguments_are_named(kwargs, words):
    with pytest.raises(ValueError, match=words):
        build(**kwargs)


def test_fewer_stages():
    model = build(num_stages=2, strides=(1, 2), dilations=(1, 1), out_indices=(2,))
    assert model(torch.rand(1, 3, 32, 32))[0].shape == (1, 16, 4, 4)


def test_train_without_an_argument_trains():
    model = build(frozen_stages=1).eval()
    assert model.train() is model
    assert model.layer2.training
    assert not model.layer1.training


def test_unknown_argument_is_an_error():
    with pytest.raises(TypeError, match="frozen_stage"):
        build(frozen_stage=1)


def test_resnet_v1d_has_a_deep_stem():
    model = build_backbone({"type": "ResNetV1d", "depth": 50, "out_indices": (0, 4)}).eval()
    stem, last = model(torch.rand(1, 3, 32, 32))
    assert stem.shape == (1, 64, 16, 16)
    assert last.shape == (1, 2048, 1, 1)
    assert isinstance(model.layer2[0].downsample[0], nn.AvgPool2d)


def test_resnext_has_groups():
    model = build_backbone(
        {"type": "ResNeXt", "depth": 50, "groups": 4, "width_per_group": 8}
    ).eval()
    assert model.layer1[0].conv2.groups == 4
    assert model.layer1[0].conv2.out_channels == 32
    assert model(torch.rand(1, 3, 32, 32))[0].shape == (1, 2048, 1, 1)


def test_state_dict_names_are_torchvisions():
    import torchvision

    ours = build_backbone({"type": "ResNet", "depth": 18}).state_dict()
    theirs = torchvision.models.resnet18().state_dict()
    assert {k: v.shape for k, v in ours.items()} == {
        k: v.shape for k, v in theirs.items() if not k.startswith("fc.")
    }


@pytest.mark.parametrize("name", ["mmcls.MobileNetV2", "mmcls.ResNet", "mmcls.SwinTransformer"])
def test_mmcls_backbones_by_scope(name):
    assert BACKBONES.get(name).__module__.startswith("mmcls.")


def test_an_mmcls_backbone_runs():
    model = build_backbone({"type": "mmcls.ShuffleNetV2", "out_indices": (3,)})
    model.eval()
    assert model(torch.rand(1, 3, 32, 32))[0].shape == (1, 1024, 1, 1)


@pytest.mark.parametrize("kind", ["ResNet", "ResNetV1d", "ResNeXt"])
@pytest.mark.parametrize("error", [KeyError, AssertionError, ValueError])
def test_an_unknown_depth_is_an_error_of_several_kinds(kind, error):
    with pytest.raises(error) as caught:
        BACKBONES.get(kind)(depth=17)
    assert str(caught.value).startswith("depth must be one of [")  # a KeyError would quote it


@pytest.mark.parametrize(
    ("block", "inplanes", "planes", "stride", "outputs"),
    [(BasicBlock, 8, 8, 1, 8), (BasicBlock, 8, 16, 2, 16), (Bottleneck, 16, 4, 1, 16),
     (Bottleneck, 16, 8, 2, 32)],
)  # fmt: skip
def test_a_res_layer_is_a_stage_of_a_resnet(block, inplanes, planes, stride, outputs):
    layer = ResLayer(block, inplanes, planes, 3, stride=stride, with_cp=False)
    assert isinstance(layer, nn.Sequential)
    assert len(layer) == 3
    assert all(isinstance(part, block) for part in layer)
    assert layer[1].conv1.in_channels == outputs
    assert layer[0].conv1.out_channels == planes
    assert (layer[0].downsample is not None) == (stride > 1 or inplanes != outputs)
    assert layer(torch.rand(2, inplanes, 8, 8)).shape == (2, outputs, 8 // stride, 8 // stride)


def test_a_res_layer_has_the_weights_of_the_stage():
    torch.manual_seed(0)
    stage = build(depth=50).layer2.eval()
    layer = ResLayer(Bottleneck, 32, 16, 4, stride=2).eval()
    layer.load_state_dict(stage.state_dict())
    x = torch.rand(1, 32, 8, 8)
    assert torch.equal(layer(x), stage(x))


def test_a_res_layer_pools_before_its_shortcut():
    layer = ResLayer(
        BasicBlock, 8, 16, 1, stride=2, avg_down=True, norm_cfg={"type": "GN", "num_groups": 2}
    )
    pool, conv, norm = layer[0].downsample
    assert (pool.kernel_size, conv.stride) == (2, (1, 1))
    assert isinstance(norm, nn.GroupNorm)
