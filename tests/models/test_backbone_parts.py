"""Parts of backbones by structure: ours, and those of mmcls, timm and torchvision."""

import copy
import logging
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from mmselfsup.core.adaptation import adapt_model
from mmselfsup.models import build_backbone
from mmselfsup.models.utils.adapters import LoRALinear, plain_state
from mmselfsup.models.utils.backbone_parts import (
    attention_blocks,
    blocks_of,
    is_norm,
    layer_numbers,
    output_projection,
    stages_of,
)

SMALL = dict(embed_dim=24, depth=3, num_heads=2, num_classes=0)


def ours(**config: Any) -> nn.Module:
    model: nn.Module = build_backbone(config)
    return model


def timm_model(kind: str) -> nn.Module:
    timm = pytest.importorskip("timm")
    from timm.models import beit, convnext, eva, resnet, swin_transformer, vision_transformer

    common = dict(img_size=32, patch_size=8, **SMALL)
    assert timm
    made = {
        "vit": lambda: vision_transformer.VisionTransformer(**common),
        "beit": lambda: beit.Beit(**common),
        "eva": lambda: eva.Eva(**common),
        "eva_not_fused": lambda: eva.Eva(**common, qkv_fused=False),
        "swin": lambda: swin_transformer.SwinTransformer(
            img_size=32, patch_size=4, embed_dim=12, depths=(1, 2), num_heads=(2, 2),
            window_size=4, num_classes=0,
        ),
        "resnet": lambda: resnet.ResNet(resnet.BasicBlock, [2, 2, 2, 2], num_classes=0),
        "convnext": lambda: convnext.ConvNeXt(
            depths=(1, 1, 2, 1), dims=(8, 8, 8, 8), num_classes=0
        ),
    }  # fmt: skip
    model: nn.Module = made[kind]()
    return model


def torchvision_model(kind: str) -> nn.Module:
    from torchvision.models import resnet18
    from torchvision.models.swin_transformer import SwinTransformer
    from torchvision.models.vision_transformer import VisionTransformer

    if kind == "resnet":
        model: nn.Module = resnet18()
    elif kind == "vit":
        model = VisionTransformer(
            image_size=32, patch_size=8, num_layers=3, num_heads=2, hidden_dim=24, mlp_dim=48
        )
        model.heads = nn.Identity()
    else:
        model = SwinTransformer([4, 4], 12, [1, 2], [2, 2], [4, 4])
        model.head = nn.Identity()
    return model


VIT = dict(
    arch=dict(embed_dims=24, num_layers=3, num_heads=2, feedforward_channels=48),
    img_size=32,
    patch_size=8,
)
SWIN = dict(
    type="mmcls.SwinTransformer",
    arch=dict(embed_dims=12, depths=[1, 2], num_heads=[2, 2]),
    img_size=32,
    window_size=4,
    out_indices=(1,),
)
#: Backbone -> stages, blocks, attention blocks.
FOUND = {
    "resnet": (lambda: ours(type="ResNet", depth=18, base_channels=4, stem_channels=4), 4, 8, 0),
    "vit": (lambda: ours(type="VisionTransformer", **VIT), 1, 3, 3),
    "cae_vit": (lambda: ours(type="CAEViT", **VIT, qkv_bias=False), 1, 3, 3),
    "swin": (lambda: ours(**SWIN), 2, 3, 3),
    "mobilenet": (lambda: ours(type="mmcls.MobileNetV2", widen_factor=0.1), 7, 17, 0),
    "shufflenet": (lambda: ours(type="mmcls.ShuffleNetV2", widen_factor=0.5), 3, 16, 0),
    "resnet with a deep stem": (lambda: ours(type="mmcls.ResNetV1d", depth=18), 4, 8, 0),
    "timm vit": (lambda: timm_model("vit"), 1, 3, 3),
    "timm beit": (lambda: timm_model("beit"), 1, 3, 3),
    "timm eva": (lambda: timm_model("eva"), 1, 3, 3),
    "timm eva, not fused": (lambda: timm_model("eva_not_fused"), 1, 3, 3),
    "timm swin": (lambda: timm_model("swin"), 2, 3, 3),
    "timm resnet": (lambda: timm_model("resnet"), 4, 8, 0),
    "timm convnext": (lambda: timm_model("convnext"), 4, 5, 0),
    "torchvision resnet": (lambda: torchvision_model("resnet"), 4, 8, 0),
    "torchvision vit": (lambda: torchvision_model("vit"), 1, 3, 3),
    "torchvision swin": (lambda: torchvision_model("swin"), 2, 3, 3),
}
TRANSFORMERS = [name for name, found in FOUND.items() if found[3]]


@pytest.mark.parametrize("name", FOUND)
def test_stages_blocks_and_attention(name: str) -> None:
    make, stages, blocks, attention = FOUND[name]
    backbone = make()
    assert len(stages_of(backbone)) == stages
    assert len(blocks_of(backbone)) == blocks
    assert len(attention_blocks(backbone)) == attention
    assert all(output_projection(part) is not None for part in attention_blocks(backbone).values())


@pytest.mark.parametrize("name", FOUND)
def test_layers_ascend_and_cover_everything(name: str) -> None:
    make, stages, blocks, attention = FOUND[name]
    backbone = make()
    numbers, num_layers = layer_numbers(backbone)
    assert num_layers == (blocks if attention else stages)
    assert list(numbers) == [name for name, _ in backbone.named_parameters()]
    values = list(numbers.values())
    assert values == sorted(values)
    assert set(range(num_layers + 1)) <= set(values) <= set(range(num_layers + 2))
    assert any(is_norm(module) for module in backbone.modules())


def features(out: Any) -> Tensor:
    while isinstance(out, list | tuple):
        out = out[-1]
    return out


def test_a_list_of_downsampling_beside_the_stages() -> None:
    """mmcls's ConvNeXt registers ``downsample_layers`` before ``stages``."""
    net = ours(
        type="mmcls.ConvNeXt", arch=dict(depths=[1, 2, 3, 1], channels=[8, 8, 8, 8]),
        out_indices=(0, 1, 2, 3), gap_before_final_norm=False,
    )  # fmt: skip
    assert [len(stage) for stage in stages_of(net)] == [1, 2, 3, 1]
    numbers, num_layers = layer_numbers(net)
    assert num_layers == 4
    for i in range(4):
        stage = {n for name, n in numbers.items() if name.startswith(f"stages.{i}.")}
        between = {n for name, n in numbers.items() if name.startswith(f"downsample_layers.{i}.")}
        assert (between, stage) == ({i}, {i + 1})
    model = nn.Module()
    model.backbone = net
    adapt_model(model, dict(type="last_blocks", blocks=3))
    trained = {n.rpartition(".")[0] for n, p in net.named_parameters() if p.requires_grad}
    assert {"downsample_layers.3.1", "stages.3.0.norm", "stages.2.1.norm"} <= trained
    assert not any(n.startswith(("downsample_layers.2", "stages.2.0", "stages.1")) for n in trained)


def test_a_stem_of_as_many_layers_as_stages() -> None:
    """It is a ``Sequential``, which runs as a whole before the first block."""
    timm = pytest.importorskip("timm")
    with torch.device("meta"):
        hybrid = timm.create_model("vit_base_r50_s16_224", num_classes=0)
    stem = "patch_embed.backbone.stem."
    for net, start in ((hybrid, stem), (ours(type="mmcls.DenseNet", arch="121"), "stem.")):
        numbers = [n for name, n in layer_numbers(net)[0].items() if name.startswith(start)]
        assert set(numbers) == {0}


def test_lists_of_a_pyramid() -> None:
    """mmcls's PCPVT has lists before its stages (patches) and behind them (positions)."""
    net = ours(
        type="mmcls.PCPVT", out_indices=(0, 1, 2, 3),
        arch=dict(
            embed_dims=[8, 8, 8, 8], depths=[1, 2, 1, 1], num_heads=[1, 1, 1, 1],
            patch_sizes=[4, 2, 2, 2], strides=[4, 2, 2, 2], mlp_ratios=[2, 2, 2, 2],
            sr_ratios=[8, 4, 2, 1],
        ),
    )  # fmt: skip
    numbers, num_layers = layer_numbers(net)
    assert num_layers == 5
    found = {
        part: [
            {n for name, n in numbers.items() if name.startswith(f"{part}.{i}.")} for i in range(4)
        ]
        for part in ("patch_embeds", "stages", "position_encodings")
    }
    assert found["stages"] == [{1}, {2, 3}, {4}, {5}]
    assert found["patch_embeds"] == [{0}, {1}, {3}, {4}]
    assert found["position_encodings"] == [{1}, {3}, {4}, {6}]


@pytest.mark.parametrize("name", TRANSFORMERS)
def test_lora_reaches_every_attention(name: str) -> None:
    """Also where the library reads a weight and does not call the layer."""
    torch.manual_seed(0)
    model = nn.Module()
    model.backbone = FOUND[name][0]()
    model.eval()  # mmcls's Swin returns nothing
    plain = copy.deepcopy(model.backbone)
    images = torch.randn(2, 3, 32, 32)
    before = features(plain(images))
    adapt_model(model, dict(type="lora", rank=2))
    layers = [m for m in model.backbone.modules() if isinstance(m, LoRALinear)]
    assert layers
    torch.testing.assert_close(features(model.backbone(images)), before)
    for layer in layers:
        nn.init.normal_(layer.lora_b, std=0.1)
    adapted = features(model.backbone(images))
    adapted.square().sum().backward()
    assert all(layer.lora_b.grad is not None and layer.lora_b.grad.any() for layer in layers)
    with torch.no_grad():  # torch's own attention has another path then
        again = features(model.backbone(images))
    plain.load_state_dict(plain_state(model.backbone))
    wanted = features(plain(images))
    for found in (adapted, again):
        torch.testing.assert_close(found, wanted, atol=1e-5, rtol=1e-4)
    assert not torch.allclose(wanted, before, atol=1e-3)


def test_no_blocks() -> None:
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU())
    assert blocks_of(net) == []
    numbers, num_layers = layer_numbers(net)
    assert num_layers == 0
    assert set(numbers.values()) == {1}


def test_lora_says_what_it_does_not_reach(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    logger = logging.getLogger("test_backbone_parts")
    monkeypatch.setattr("mmselfsup.core.adaptation.get_root_logger", lambda: logger)
    for backbone in (timm_model("vit"), torchvision_model("vit")):
        assert not caplog.records
        model = nn.Module()
        model.backbone = backbone
        adapt_model(model, dict(type="lora", rank=2))
    assert "only the output projections of VisionTransformer" in caplog.text
