"""Transformers under timm's names: written, read, and the same features in timm."""

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from mmselfsup.core.checkpoint import (
    backbone_state,
    export_backbone,
    extract_backbone,
    load_weights,
    save_checkpoint,
)
from mmselfsup.core.checkpoint.timm_names import own_names, timm_names
from mmselfsup.models import build_algorithm, build_backbone
from mmselfsup.utils.errors import UserError

ARCH = dict(embed_dims=24, num_layers=2, num_heads=2, feedforward_channels=48)
VIT = dict(type="VisionTransformer", arch=ARCH, img_size=32, patch_size=8)
MIM = dict(type="MIMVisionTransformer", arch=ARCH, img_size=32, patch_size=8)
SWIN = dict(
    type="mmcls.SwinTransformer", arch=dict(embed_dims=12, depths=[2, 2, 1], num_heads=[2, 2, 4]),
    img_size=64, window_size=4, out_indices=(2,),
)  # fmt: skip
BACKBONES: dict[str, dict[str, Any]] = {
    "vit": VIT,
    "mae": dict(VIT, type="MAEViT"),
    "scaled": dict(MIM, final_norm=False, init_values=0.1),
    "two biases": dict(MIM, layer_cfgs=dict(qkv_bias=False)),
    "beit": dict(MIM, final_norm=False, init_values=0.1, use_window=True),
    "beit, not scaled": dict(MIM, final_norm=False, use_window=True),
    "swin": SWIN,
}
AFFINE = ("weight", "bias")


def backbone_of(config: dict[str, Any], seed: int = 0) -> Any:
    """Return a backbone all of whose weights are random, also those that start from a constant."""
    torch.manual_seed(seed)
    backbone = build_backbone(copy.deepcopy(config))
    backbone.eval()  # mmcls's Swin returns nothing here
    for parameter in backbone.parameters():
        nn.init.normal_(parameter, std=0.2)
    return backbone


def vector(backbone: Any, img: Tensor) -> Tensor:
    """Return the normalised class token, the mean of MIM, or the mean over Swin's places."""
    out = backbone(img, masked=False) if "MAE" in type(backbone).__name__ else backbone(img)
    if isinstance(out, Tensor):
        return out
    return out[-1][1] if isinstance(out[-1], list) else out[-1].mean(dim=(2, 3))


def names_of_timm(kind: str) -> set[str]:
    """The names of timm's models, written down by hand."""
    if kind == "swin":
        names = {"patch_embed.proj", "patch_embed.norm", "norm"}
        blocks = [f"layers.{s}.blocks.{b}" for s, n in enumerate((2, 2, 1)) for b in range(n)]
        names |= {f"layers.{stage}.downsample.norm" for stage in (1, 2)}
    else:
        names, blocks = {"patch_embed.proj"}, ["blocks.0", "blocks.1"]
        names |= {"norm"} if kind in ("vit", "mae", "two biases") else {"fc_norm"}
    parts = ("norm1", "norm2", "attn.proj", "mlp.fc1", "mlp.fc2")
    names |= {f"{block}.{part}" for block in blocks for part in parts}
    weights = {f"{name}.{part}" for name in names for part in AFFINE}
    weights |= {f"{block}.attn.qkv.weight" for block in blocks}
    each = {"attn.q_bias", "attn.v_bias"} if "beit" in kind else {"attn.qkv.bias"}
    each |= {"attn.relative_position_bias_table"} if "beit" in kind or kind == "swin" else set()
    each |= {"gamma_1", "gamma_2"} if kind == "beit" else set()
    each |= {"ls1.gamma", "ls2.gamma"} if kind == "scaled" else set()
    weights |= {f"{block}.{part}" for block in blocks for part in each}
    if kind == "swin":
        return weights | {f"layers.{stage}.downsample.reduction.weight" for stage in (1, 2)}
    return weights | {"cls_token", "pos_embed"}


def timm_model(kind: str) -> Any:
    """Return timm's model of the same architecture."""
    pytest.importorskip("timm")
    from timm.models.beit import Beit
    from timm.models.swin_transformer import SwinTransformer
    from timm.models.vision_transformer import VisionTransformer

    if kind == "swin":
        return SwinTransformer(
            img_size=64, embed_dim=12, depths=(2, 2, 1), num_heads=(2, 2, 4), window_size=4,
            num_classes=0,
        )  # fmt: skip
    common: dict[str, Any] = dict(
        img_size=32, patch_size=8, embed_dim=24, depth=2, num_heads=2, mlp_ratio=2, num_classes=0
    )
    if "beit" in kind:
        scale = 0.1 if kind == "beit" else None
        return Beit(**common, init_values=scale, use_abs_pos_emb=True, use_rel_pos_bias=True)
    if kind == "scaled":
        return VisionTransformer(**common, init_values=0.1, global_pool="avg")
    if kind == "no class token":
        return VisionTransformer(**common, class_token=False, global_pool="avg", fc_norm=False)
    if kind == "registers alone":
        return VisionTransformer(
            **common, class_token=False, reg_tokens=2, no_embed_class=True, global_pool="avg",
            fc_norm=False,
        )  # fmt: skip
    return VisionTransformer(**common)


@pytest.mark.parametrize("kind", BACKBONES)
def test_names_of_timm(kind: str) -> None:
    assert set(timm_names(backbone_of(BACKBONES[kind]).state_dict(), "a.pth")) == names_of_timm(
        kind
    )


@pytest.mark.parametrize("kind", BACKBONES)
@torch.no_grad()
def test_timm_loads_the_file_strictly_and_gives_the_same_features(
    kind: str, tmp_path: Path
) -> None:
    model, backbone = timm_model(kind).eval(), backbone_of(BACKBONES[kind])
    torch.save({"state_dict": backbone.state_dict()}, tmp_path / "backbone.pth")
    extract_backbone(str(tmp_path / "backbone.pth"), str(tmp_path / "timm.pth"), style="timm")
    weights = torch.load(tmp_path / "timm.pth", weights_only=True)["state_dict"]
    model.load_state_dict(weights, strict=True)
    side = BACKBONES[kind]["img_size"]
    img = torch.randn(3, 3, side, side, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(model(img), vector(backbone, img), rtol=0, atol=1e-5)


def holder_of(backbone: Any) -> Any:
    """Return a model with a backbone."""
    model: Any = nn.Module()
    model.backbone = backbone
    return model


@pytest.mark.parametrize("kind", BACKBONES)
@torch.no_grad()
def test_the_backbone_of_a_run_is_a_file_of_timm(kind: str, tmp_path: Path) -> None:
    source, target = (backbone_of(BACKBONES[kind], seed) for seed in (0, 1))
    path = str(tmp_path / "backbone.pth")
    assert export_backbone(holder_of(source), path)
    model = timm_model(kind).eval()
    model.load_state_dict(torch.load(path, weights_only=True), strict=True)
    assert load_weights(holder_of(target), path).complete
    side = BACKBONES[kind]["img_size"]
    img = torch.randn(2, 3, side, side)
    torch.testing.assert_close(model(img), vector(source, img), rtol=0, atol=1e-5)
    torch.testing.assert_close(vector(target, img), vector(source, img), rtol=0, atol=1e-5)


def test_a_backbone_that_timm_lacks_keeps_its_names() -> None:
    for stages in ((0, 1, 2), (1,)):
        swin = backbone_of(dict(SWIN, out_indices=stages))
        assert backbone_state(holder_of(swin)).keys() == swin.state_dict().keys()
    without = backbone_of(dict(VIT, with_cls_token=False, output_cls_token=False))
    assert backbone_state(holder_of(without)).keys() == without.state_dict().keys()
    other = backbone_of(VIT)
    other.extra = nn.Linear(2, 2)
    assert backbone_state(holder_of(other)).keys() == other.state_dict().keys()


@pytest.mark.parametrize("said", ["in the config", "by the type", "not at all"])
@torch.no_grad()
def test_extracting_a_vit_without_a_class_token(said: str, tmp_path: Path) -> None:
    """The unused token would be one more token in timm, and change every feature."""
    source = backbone_of(dict(VIT, with_cls_token=False, output_cls_token=False))
    kind = "IJEPAViT" if said == "by the type" else "VisionTransformer"
    option = ", with_cls_token=False" if said == "in the config" else ""
    text = f"model = dict(type='IJEPA', backbone=dict(type='{kind}'{option}))"
    save_checkpoint(holder_of(source), str(tmp_path / "a.pth"), meta=dict(config=text))
    extract_backbone(str(tmp_path / "a.pth"), str(tmp_path / "b.pth"), style="timm")
    weights = torch.load(tmp_path / "b.pth", weights_only=True)["state_dict"]
    if said == "not at all":
        assert "cls_token" in weights
        return
    model = timm_model("no class token").eval()
    model.load_state_dict(weights, strict=True)
    img = torch.randn(2, 3, VIT["img_size"], VIT["img_size"])
    torch.testing.assert_close(model(img), source(img)[-1].mean((2, 3)), rtol=0, atol=1e-5)


@torch.no_grad()
def test_registers_without_a_class_token_keep_the_positions_of_all_patches() -> None:
    source = backbone_of(dict(VIT, with_cls_token=False, output_cls_token=False, num_registers=2))
    weights = timm_names(source.state_dict(), "a.pth", class_token=False)
    assert torch.equal(weights["pos_embed"], source.pos_embed[:, 1:])
    assert "cls_token" not in weights
    model = timm_model("registers alone").eval()
    model.load_state_dict(weights, strict=True)
    img = torch.randn(2, 3, VIT["img_size"], VIT["img_size"])
    torch.testing.assert_close(model(img), source(img)[-1].mean((2, 3)), rtol=0, atol=1e-5)


def test_registers_of_a_backbone_of_timm_are_left_alone() -> None:
    timm = pytest.importorskip("timm")
    model = timm.create_model(
        "vit_small_patch14_reg4_dinov2", img_size=28, num_classes=0, depth=1, no_embed_class=False
    )
    model.cls_token.data.normal_()
    model.pos_embed.data.normal_()
    found = backbone_state(holder_of(model))
    assert all(torch.equal(found[name], tensor) for name, tensor in model.state_dict().items())
    converted = timm_names(model.state_dict(), "a.pth")
    assert torch.equal(converted["cls_token"], model.cls_token)


@pytest.mark.parametrize("prefix", ["", "module.base_encoder.", "student.backbone."])
@pytest.mark.parametrize("kind", BACKBONES)
@torch.no_grad()
def test_files_of_timm_are_loaded(kind: str, prefix: str, tmp_path: Path) -> None:
    source, target = (backbone_of(BACKBONES[kind], seed) for seed in (0, 1))
    weights = timm_names(source.state_dict(), "a.pth")
    file = {"model": {f"{prefix}{name}": tensor for name, tensor in weights.items()}}
    file["model"][f"{prefix}head.weight"] = torch.zeros(5, 24)
    torch.save(file, tmp_path / "timm.pth")
    classifier = nn.Module()
    classifier.backbone = target
    report = load_weights(classifier, str(tmp_path / "timm.pth"))
    assert report.complete
    assert report.schemes
    assert not report.missing
    assert report.unexpected == (f"{prefix}head.weight",)
    assert "names of timm: replaced" in str(report)
    side = BACKBONES[kind]["img_size"]
    img = torch.randn(2, 3, side, side)
    # a bias of keys is lost where there is none: it changes nothing
    torch.testing.assert_close(vector(target, img), vector(source, img), rtol=0, atol=1e-5)


def test_the_original_swin_has_the_merging_at_the_end_of_a_stage() -> None:
    source = backbone_of(SWIN)
    new = timm_names(source.state_dict(), "a.pth")
    old = {
        name.replace("layers.1.downsample", "layers.0.downsample").replace(
            "layers.2.downsample", "layers.1.downsample"
        ): tensor
        for name, tensor in new.items()
    }
    for weights in (new, old):
        found, renamed = own_names(weights, source.state_dict())
        assert renamed
        missing, unexpected = source.load_state_dict(found, strict=False)
        assert not unexpected
        assert all(name.endswith("relative_position_index") for name in missing)
        for name, tensor in found.items():
            assert torch.equal(tensor, source.state_dict()[name])


def test_what_serves_the_training_only_is_left_out() -> None:
    weights = backbone_of(VIT).state_dict()
    with_token = {**weights, "mask_token": torch.zeros(1, 1, 24)}
    assert set(timm_names(with_token, "a.pth")) == names_of_timm("vit")


def test_a_resnet_has_torchvisions_names(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = build_algorithm(
        dict(type="Classification", backbone=dict(type="ResNet", depth=18),
             head=dict(type="ClsHead", in_channels=512, num_classes=2))
    )  # fmt: skip
    torch.save({"state_dict": model.state_dict()}, tmp_path / "a.pth")
    for style in ("torchvision", "timm"):
        extract_backbone(str(tmp_path / "a.pth"), str(tmp_path / "b.pth"), style=style)
        weights = torch.load(tmp_path / "b.pth", weights_only=True)["state_dict"]
        torchvision = pytest.importorskip("torchvision")
        left = torchvision.models.resnet18(weights=None).load_state_dict(weights, strict=False)
        assert left.missing_keys == ["fc.weight", "fc.bias"]
        assert not left.unexpected_keys


@pytest.mark.parametrize(
    ("weights", "style", "message"),
    [
        (backbone_of(VIT).state_dict(), "torchvision", "write it as --format timm"),
        ({"conv1.weight": torch.zeros(1), "neck.a": torch.zeros(1)}, "timm", "'neck.a' is no"),
        ({"patch_embed.projection.weight": torch.zeros(1), "absolute_pos_embed": torch.zeros(1)},
         "timm", "no place for 'absolute_pos_embed'"),
        ({"linear.weight": torch.zeros(1)}, "timm", "no place for 'linear.weight'"),
    ],
)  # fmt: skip
def test_other_networks_are_refused(
    weights: dict[str, Tensor], style: str, message: str, tmp_path: Path
) -> None:
    file = {f"backbone.{name}": tensor for name, tensor in weights.items()}
    torch.save({"state_dict": file}, tmp_path / "a.pth")
    with pytest.raises(UserError, match=message):
        extract_backbone(str(tmp_path / "a.pth"), str(tmp_path / "b.pth"), style=style)
    assert not (tmp_path / "b.pth").exists()
