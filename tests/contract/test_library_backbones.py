"""Models of timm and torchvision as backbones of our methods.

Letters: N images, C channels.
"""

import copy
import subprocess
import sys

import pytest
import timm
import torch
from mmcv import Config
from torch import nn
from torchvision.models import get_model

from mmselfsup.config.check import check_config
from mmselfsup.core.adaptation import adapt_model
from mmselfsup.core.checkpoint import backbone_state
from mmselfsup.models import build_algorithm, build_backbone
from mmselfsup.models.utils import SyncBatchNorm, pooled, spatial_map
from mmselfsup.models.utils.backbone_parts import blocks_of, layer_numbers
from mmselfsup.utils.errors import ArgumentError, UserError

SMALL_VIT = {"embed_dim": 16, "depth": 2, "num_heads": 2}
DINO = {"patch_size": 8, "img_size": 32, **SMALL_VIT}
# name: (config, channels, whether it has a class token)
BACKBONES = {
    "timm cnn": ({"type": "timm.test_resnet"}, 96, False),
    "timm convnext": ({"type": "timm.test_convnext"}, 64, False),
    "timm norm-act": ({"type": "timm.test_efficientnet"}, 256, False),
    "timm vit": ({"type": "timm.test_vit"}, 64, True),
    "timm registers": ({"type": "timm.vit_small_patch14_reg4_dinov2", **DINO}, 16, True),
    "timm swin": (
        {
            "type": "timm.swin_tiny_patch4_window7_224",
            "img_size": 32,
            "window_size": 4,
            "embed_dim": 8,
            "depths": (1, 1),
            "num_heads": (2, 2),
        },
        16,
        False,
    ),
    "torchvision cnn": ({"type": "torchvision.resnet18"}, 512, False),
    "torchvision vit": ({"type": "torchvision.vit_b_32", "img_size": 32}, 768, True),
}
NAMES = list(BACKBONES)
SMALL = NAMES[:-1]  # torchvision has no small transformer


def config_of(name):
    return copy.deepcopy(BACKBONES[name][0])


def method(kind, name):
    neck = {
        "SimCLR": {"type": "NonLinearNeck", "num_layers": 2},
        "MoCo": {"type": "MoCoV2Neck"},
    }[kind]
    neck |= {"in_channels": BACKBONES[name][1], "hid_channels": 8, "out_channels": 4}
    head = {"type": "ContrastiveHead", "temperature": 0.5}
    cfg = {"type": kind, "backbone": config_of(name), "neck": neck, "head": head}
    return cfg if kind == "SimCLR" else {**cfg, "queue_len": 8, "feat_dim": 4}


@pytest.fixture(autouse=True)
def same_numbers():
    torch.manual_seed(0)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kind", ["SimCLR", "MoCo"])
def test_a_method_trains_every_parameter_that_is_not_frozen(kind, name):
    model = build_algorithm(method(kind, name))
    model.init_weights()
    model.train()
    views = [torch.rand(4, 3, 32, 32) for _ in range(2)]
    loss = model.train_step({"img": views, "idx": torch.arange(4)}, None)["loss"]
    loss.backward()
    # DistributedDataParallel fails on a parameter that trains and gets no gradient.
    without = [n for n, p in model.named_parameters() if p.requires_grad and p.grad is None]
    assert loss.isfinite()
    assert not without


@pytest.mark.parametrize("name", NAMES)
def test_the_output_is_a_map_and_a_class_token(name):
    config, channels, has_cls_token = BACKBONES[name]
    backbone = build_backbone(copy.deepcopy(config)).eval()
    (out,) = backbone(torch.rand(2, 3, 32, 32))
    assert isinstance(out, list) == has_cls_token
    assert spatial_map(out).shape[:2] == (2, channels)
    assert pooled(out).shape == (2, channels)


@pytest.mark.parametrize(
    ("name", "options"), [("timm vit", {}), ("timm registers", {}), ("timm swin", {})]
)
def test_tokens_are_those_of_timm_in_their_places(name, options):
    backbone = build_backbone({**config_of(name), **options}).eval()
    kwargs = {k: v for k, v in config_of(name).items() if k != "type"}
    net = timm.create_model(config_of(name)["type"][5:], num_classes=0, **kwargs).eval()
    net.load_state_dict(backbone.state_dict())
    side = net.patch_embed.img_size[0]
    img = torch.rand(2, 3, side, side)
    with torch.no_grad():
        expected, (out,) = net.forward_features(img), backbone(img)
    if expected.ndim == 4:  # Swin: [N, rows, columns, C]
        assert torch.equal(out, expected.permute(0, 3, 1, 2))
        return
    grid, cls_token = out
    extra = net.num_prefix_tokens
    assert torch.equal(cls_token, expected[:, 0])
    columns = grid.shape[3]
    for row in range(grid.shape[2]):
        for column in range(columns):
            token = expected[:, extra + row * columns + column]
            assert torch.equal(grid[:, :, row, column], token)


def test_images_of_another_size_and_shape_give_a_grid_of_their_proportions():
    backbone = build_backbone(config_of("timm registers")).eval()
    assert backbone(torch.rand(1, 3, 24, 48))[0][0].shape == (1, 16, 3, 6)


@pytest.mark.parametrize("name", ["timm cnn", "timm convnext", "timm vit", "timm swin"])
def test_several_outputs_end_with_the_only_one(name):
    config = config_of(name)
    one = build_backbone(copy.deepcopy(config)).eval()
    several = build_backbone({**config, "out_indices": (0, -1)}).eval()
    several.load_state_dict(one.state_dict())
    img = torch.rand(2, 3, 32, 32)
    with torch.no_grad():
        first, last = several(img)
        (alone,) = one(img)
    assert spatial_map(first).shape[2] >= spatial_map(last).shape[2]
    torch.testing.assert_close(spatial_map(last), spatial_map(alone))
    torch.testing.assert_close(pooled(last), pooled(alone))


def test_the_class_token_can_be_left_out():
    backbone = build_backbone({**config_of("timm vit"), "output_cls_token": False}).eval()
    (out,) = backbone(torch.rand(2, 3, 32, 32))
    assert out.shape[:2] == (2, 64)


@pytest.mark.parametrize("name", SMALL)
def test_names_of_weights_are_those_of_the_library(name):
    backbone = build_backbone(config_of(name))
    library, _, model = config_of(name)["type"].partition(".")
    kwargs = {k: v for k, v in config_of(name).items() if k != "type"}
    if library == "timm":
        net = timm.create_model(model, num_classes=0, **kwargs)
    else:
        net = get_model(model)
    assert {n: t.shape for n, t in backbone.state_dict().items()} == {
        n: t.shape for n, t in net.state_dict().items()
    }
    holder = nn.Module()
    holder.backbone = backbone
    net.load_state_dict(backbone_state(holder))  # ``backbone.pth`` is a file of the library


@pytest.mark.parametrize("name", SMALL)
def test_copies_share_nothing_and_stay_whole(name):
    first = build_backbone(config_of(name)).eval()
    second = copy.deepcopy(first)
    img = torch.rand(2, 3, 32, 32)
    with torch.no_grad():
        before = pooled(first(img)[0])
        for param in second.parameters():
            param.zero_()
        torch.testing.assert_close(pooled(first(img)[0]), before)
        assert not torch.equal(pooled(second(img)[0]), before)


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        *[(kind, name) for kind in ("full", "last_blocks", "norm_bias") for name in SMALL],
        *[("lora", name) for name in ("timm vit", "timm registers", "timm swin")],
        *[("apla", name) for name in ("timm vit", "timm registers", "timm swin")],
    ],
)
def test_adapt(kind, name):
    options = {"rank": 2} if kind == "lora" else {"blocks": 1} if kind == "last_blocks" else {}
    model = build_algorithm(method("SimCLR", name))
    adaptation = adapt_model(model, {"type": kind, "layer_decay": 0.5, **options})
    trained = [n for n, p in model.named_parameters() if p.requires_grad and "backbone" in n]
    assert trained
    scales = {adaptation.lr_scale(n) for n in trained}
    assert len(blocks_of(model.backbone)) >= 2
    assert all(0 < scale <= 1 for scale in scales)
    if kind == "full":
        assert len(scales) > 2
    model.train()
    views = [torch.rand(4, 3, 32, 32) for _ in range(2)]
    model.train_step({"img": views, "idx": torch.arange(4)}, None)["loss"].backward()


@pytest.mark.parametrize("name", SMALL)
def test_with_cp_gives_the_same_gradients(name):
    plain = build_backbone(config_of(name))
    saving = build_backbone({**config_of(name), "with_cp": True})
    saving.load_state_dict(plain.state_dict())
    img = torch.rand(2, 3, 32, 32)
    grads = []
    for backbone in (plain, saving):
        backbone.train()
        torch.manual_seed(1)
        pooled(backbone(img)[0]).square().sum().backward()
        grads.append({n: p.grad for n, p in backbone.named_parameters() if p.grad is not None})
    assert grads[0].keys() == grads[1].keys()
    for key, grad in grads[0].items():
        torch.testing.assert_close(grads[1][key], grad, msg=key)


@pytest.mark.parametrize("name", ["timm cnn", "timm vit", "torchvision cnn"])
def test_frozen_stages_do_not_train_and_keep_their_statistics(name):
    backbone = build_backbone({**config_of(name), "frozen_stages": 1})
    numbers, _ = layer_numbers(backbone)
    heads = backbone.head_names()
    for key, param in backbone.named_parameters():
        assert param.requires_grad == (numbers[key] > 1 and not key.startswith(heads)), key
    backbone.train()
    before = copy.deepcopy(dict(backbone.named_buffers()))
    backbone(torch.rand(2, 3, 32, 32))
    changed = {k for k, b in backbone.named_buffers() if not torch.equal(b, before[k])}
    assert not any(k.startswith(("bn1", "layer1", "stem")) for k in changed)


def test_norm_eval_keeps_all_statistics():
    backbone = build_backbone({**config_of("timm norm-act"), "norm_eval": True}).train()
    before = copy.deepcopy(backbone.state_dict())
    backbone(torch.rand(2, 3, 32, 32))
    assert all(torch.equal(t, before[n]) for n, t in backbone.state_dict().items())


@pytest.mark.parametrize("name", ["timm cnn", "timm norm-act", "torchvision cnn"])
def test_synchronised_norms_compute_the_same_alone(name):
    plain = build_backbone(config_of(name)).train()
    synced = build_backbone({**config_of(name), "norm_cfg": {"type": "SyncBN"}}).train()
    synced.load_state_dict(plain.state_dict())
    assert any(isinstance(m, SyncBatchNorm) for m in synced.modules())
    assert not any(type(m) is nn.BatchNorm2d for m in synced.modules())
    img = torch.rand(2, 3, 32, 32)
    torch.testing.assert_close(synced(img)[0], plain(img)[0])


@pytest.mark.parametrize("kind", ["MAE", "CAE", "MaskFeat", "SimMIM"])
def test_methods_that_hide_patches_inside_refuse_in_one_line(kind):
    from tiny_models import TINY

    cfg = {**copy.deepcopy(TINY[kind].cfg), "backbone": {"type": "timm.test_vit"}}
    with pytest.raises(ArgumentError, match=f"{kind} hides patches inside its backbone.*timm.test"):
        build_algorithm(cfg)


@pytest.mark.parametrize("kind", ["TIMMBackbone", "mmcls.TIMMBackbone"])
def test_the_wrapper_of_0x(kind):
    backbone = build_backbone({"type": kind, "model_name": "test_resnet", "features_only": True})
    assert [m.shape[1] for m in backbone.eval()(torch.rand(1, 3, 32, 32))] == [32, 32, 48, 192, 96]
    assert (
        backbone.state_dict().keys()
        == timm.create_model("test_resnet", num_classes=0).state_dict().keys()
    )
    with pytest.raises(
        ArgumentError, match=r"timm has no model 'test_resne'; close are timm\.test_"
    ):
        build_backbone({"type": kind, "model_name": "test_resne"})


@pytest.mark.parametrize(
    ("name", "match"),
    [
        ("timm.test_resnt", "timm has no model 'test_resnt'; close are timm.test_resnet"),
        ("torchvision.resnet19", "torchvision has no model 'resnet19'; close are torchvision.resn"),
    ],
)
def test_a_wrong_name_is_one_line_with_close_ones(name, match):
    cfg = Config({"model": {"type": "SimCLR", "backbone": {"type": name}}})
    with pytest.raises(UserError, match=match):
        check_config(cfg)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"img_sze": 3}, "takes no argument 'img_sze'"),
        ({"out_indices": 9}, "out_indices must lie in -5..4"),
        ({"norm_cfg": {"type": "GN"}}, "norm_cfg may be"),
        ({"frozen_stages": 7}, "frozen_stages=7, and the network has 4"),
    ],
)
def test_wrong_arguments(options, match):
    with pytest.raises(ArgumentError, match=match):
        build_backbone({"type": "timm.test_resnet", **options})


def test_images_of_the_wrong_size_are_one_line():
    backbone = build_backbone(config_of("torchvision vit"))
    with pytest.raises(ArgumentError, match="takes images of 32 x 32 pixels, got 64 x 64"):
        backbone(torch.rand(1, 3, 64, 64))


def test_a_failed_download_is_one_line(monkeypatch):
    real = timm.create_model

    def create(name, pretrained=False, **kwargs):
        if pretrained:
            raise OSError("cannot find the files in the cache. Check your\nconnection")
        return real(name, **kwargs)

    monkeypatch.setattr(timm, "create_model", create)
    backbone = build_backbone({"type": "timm.test_resnet", "pretrained": True})
    reason = r"timm.test_resnet: .*\(cannot find the files in the cache\); without a network, give"
    with pytest.raises(UserError, match=reason) as caught:
        backbone.init_weights()
    assert "\n" not in str(caught.value)


def test_pretrained_weights_are_those_that_timm_loads(monkeypatch):
    real = timm.create_model
    wanted = real("test_resnet", num_classes=0)
    monkeypatch.setattr(
        timm,
        "create_model",
        lambda name, pretrained=False, **kwargs: wanted if pretrained else real(name, **kwargs),
    )
    backbone = build_backbone({"type": "timm.test_resnet", "pretrained": True})
    backbone.init_weights()
    assert all(torch.equal(t, wanted.state_dict()[n]) for n, t in backbone.state_dict().items())


def test_checkpoint_path_loads_a_file_of_the_library(tmp_path):
    net = timm.create_model("test_vit")
    torch.save(net.state_dict(), tmp_path / "vit.pth")
    backbone = build_backbone(
        {"type": "timm.test_vit", "checkpoint_path": str(tmp_path / "vit.pth"), "img_size": 32}
    )
    backbone.init_weights()
    own = backbone.state_dict()
    assert torch.equal(
        own["blocks.0.attn.qkv.weight"], net.state_dict()["blocks.0.attn.qkv.weight"]
    )


def test_the_package_does_not_load_timm():
    code = "import sys, mmselfsup.apis; sys.exit('timm' in sys.modules)"
    subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=True)
