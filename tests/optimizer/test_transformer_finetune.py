"""Layer-wise learning-rate decay."""

from typing import Any

import pytest
from torch import nn

from mmselfsup.config.load import load_config
from mmselfsup.core.optimizer import build_optimizer
from mmselfsup.core.optimizer.transformer_finetune_constructor import swin_layer, vit_layer
from mmselfsup.models import build_backbone
from mmselfsup.utils.errors import UserError
from tests.tools.command import ROOT


class TinyViT(nn.Module):
    def __init__(self, depth: int = 3) -> None:
        super().__init__()
        self.patch_embed = nn.Linear(4, 4)
        self.layers = nn.ModuleList(nn.Linear(4, 4) for _ in range(depth))
        self.norm = nn.LayerNorm(4)


class Classifier(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.backbone = TinyViT()
        self.head = nn.Linear(4, 2)


def config(**changes: Any) -> dict[str, Any]:
    base = dict(
        type="AdamW",
        lr=1.0,
        weight_decay=0.05,
        constructor="TransformerFinetuneConstructor",
        model_type="vit",
        layer_decay=0.5,
        paramwise_options={"norm": dict(weight_decay=0.0), "bias": dict(weight_decay=0.0)},
    )
    return {**base, **changes}


def test_learning_rate_halves_from_head_to_embedding() -> None:
    model = Classifier()
    optimizer = build_optimizer(model, config())
    groups = {id(p): g for g in optimizer.param_groups for p in g["params"]}
    rates = {name: groups[id(p)]["lr"] for name, p in model.named_parameters()}
    assert rates["head.weight"] == rates["backbone.norm.weight"] == 1
    assert rates["backbone.layers.2.weight"] == 1 / 2
    assert rates["backbone.layers.0.bias"] == 1 / 8
    assert rates["backbone.patch_embed.weight"] == 1 / 16
    decays = {name: groups[id(p)]["weight_decay"] for name, p in model.named_parameters()}
    assert decays["backbone.norm.weight"] == decays["head.bias"] == 0
    assert decays["head.weight"] == 0.05


def test_weight_decay_by_dimension() -> None:
    model = Classifier()
    optimizer = build_optimizer(model, config(paramwise_options=None, norm_bias_decay=0.0))
    groups = {id(p): g for g in optimizer.param_groups for p in g["params"]}
    for name, param in model.named_parameters():
        assert groups[id(param)]["weight_decay"] == (0.0 if param.ndim == 1 else 0.05), name
    assert groups[id(model.backbone.layers[0].bias)]["lr"] == 1 / 8


@pytest.mark.parametrize(
    ("name", "layer"),
    [
        ("backbone.cls_token", 0),
        ("backbone.pos_embed", 0),
        ("backbone.patch_embed.projection.weight", 0),
        ("backbone.layers.11.ln1.weight", 12),
        ("backbone.ln1.weight", 13),
        ("head.fc.weight", 13),
    ],
)
def test_vit_layers(name: str, layer: int) -> None:
    assert vit_layer(name, depth=12) == layer


@pytest.mark.parametrize(
    ("name", "layer"),
    [
        ("backbone.patch_embed.projection.weight", 0),
        ("backbone.absolute_pos_embed", 0),
        ("backbone.mask_token", 0),
        ("backbone.stages.0.blocks.0.norm1.weight", 1),
        ("backbone.stages.0.downsample.norm.weight", 2),
        ("backbone.stages.2.blocks.17.ffn.layers.1.bias", 22),
        ("backbone.stages.3.blocks.1.norm1.weight", 24),
        ("backbone.norm3.weight", 25),
        ("head.fc.weight", 25),
    ],
)
def test_swin_layers(name: str, layer: int) -> None:
    assert swin_layer(name, depths=[2, 2, 18, 2]) == layer


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (dict(model_type="resnet"), "use 'vit' or 'swin'"),
        (dict(layer_decay=0.0), "0 < decay <= 1"),
        (dict(model_type="swin"), "doesn't fit TinyViT"),
    ],
)
def test_bad_config(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        build_optimizer(Classifier(), config(**changes))


ARCH = dict(embed_dims=24, num_layers=3, num_heads=2, feedforward_channels=48)
VIT = dict(type="VisionTransformer", arch=ARCH, img_size=32, patch_size=8)
SWIN = dict(
    type="mmcls.SwinTransformer", arch=dict(embed_dims=12, depths=[2, 1], num_heads=[2, 2]),
    img_size=32, window_size=4, out_indices=(1,), use_abs_pos_embed=True,
)  # fmt: skip
# The first letters of a name behind ``backbone.``, and its layer.
LAYERS = {
    "vit": {
        "cls_token": 0, "pos_embed": 0, "patch_embed": 0, "layers.0": 1, "layers.1": 2,
        "layers.2": 3, "ln1": 4, "fc_norm": 4,
    },
    "swin": {
        "absolute_pos_embed": 0, "patch_embed": 0, "stages.0.blocks.0": 1, "stages.0.blocks.1": 2,
        "stages.0.downsample": 2, "stages.1.blocks.0": 3, "norm1": 4,
    },
}  # fmt: skip
BACKBONES: dict[str, tuple[str, dict[str, Any]]] = {
    "VisionTransformer": ("vit", VIT),
    "MAEViT": ("vit", {**VIT, "type": "MAEViT"}),
    "MIM": (
        "vit",
        {
            **VIT,
            "type": "MIMVisionTransformer",
            "final_norm": False,
            "init_values": 0.1,
            "use_window": True,
        },
    ),
    "mmcls": ("vit", {**VIT, "type": "mmcls.VisionTransformer"}),
    "Swin": ("swin", SWIN),
}


@pytest.mark.parametrize("kind", BACKBONES)
def test_every_parameter_of_a_backbone_has_the_rate_and_decay_of_its_layer(kind: str) -> None:
    model_type, backbone = BACKBONES[kind]
    model = nn.Module()
    model.backbone = build_backbone(backbone)
    model.head = nn.Linear(24, 2)
    names = dict(
        vit="isic2019/vit-tiny-p8_1xb128-coslr-30e_isic2019-64",
        swin="imagenet/swin-base_ft-8xb256-coslr-100e_in1k",
    )
    path = ROOT / f"configs/benchmarks/classification/{names[model_type]}.py"
    optimizer_cfg = {**load_config(str(path)).optimizer, "lr": 1.0, "layer_decay": 0.5}
    assert optimizer_cfg["model_type"] == model_type
    optimizer = build_optimizer(model, optimizer_cfg)
    groups = {id(p): g for g in optimizer.param_groups for p in g["params"]}
    assert len(groups) == len(list(model.parameters()))
    for name, parameter in model.named_parameters():
        group = groups[id(parameter)]
        own = name.removeprefix("backbone.")
        layers = [n for start, n in LAYERS[model_type].items() if f"{own}.".startswith(f"{start}.")]
        (layer,) = layers or [4]
        if parameter.requires_grad:  # the position embeddings of MoCo v3 and MAE are fixed
            assert group["lr"] == 0.5 ** (4 - layer), name
        is_plain = ("embed" in own.split(".")[0] and "." not in own) or own == "cls_token"
        is_plain |= own.endswith("bias") or ".ln" in name or "norm" in name
        if is_plain and parameter.requires_grad:
            assert group["weight_decay"] == 0, name
        elif own.endswith(("proj.weight", "qkv.weight", "reduction.weight", "head.weight")):
            assert group["weight_decay"] > 0, name
