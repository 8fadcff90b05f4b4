"""Position embeddings of another image size, through every way of loading a checkpoint."""

import logging
from pathlib import Path
from typing import Any

import pytest
import torch
from mmcv import Config
from torch import Tensor, nn

from mmselfsup.apis.features.frozen_features import frozen_model
from mmselfsup.apis.test import trained_model
from mmselfsup.core.checkpoint import load_weights
from mmselfsup.core.checkpoint.timm_names import timm_names
from mmselfsup.core.optimizer import build_optimizer
from mmselfsup.core.runner import EpochBasedRunner
from mmselfsup.models import build_algorithm
from mmselfsup.models.utils.position_embedding import resize_position_embedding
from mmselfsup.utils.errors import ArgumentError, UserError

ARCH = dict(embed_dims=24, num_layers=2, num_heads=2, feedforward_channels=48)
VIT = dict(type="VisionTransformer", arch=ARCH, patch_size=8)
BACKBONES: dict[str, dict[str, Any]] = {
    "own": VIT,
    "mmcls": dict(VIT, type="mmcls.VisionTransformer"),
    "relative": dict(VIT, type="MIMVisionTransformer", use_window=True),
    "swin": dict(
        type="mmcls.SwinTransformer", arch=dict(embed_dims=12, depths=[1, 1], num_heads=[2, 2]),
        out_indices=(1,), use_abs_pos_embed=True,
    ),
}  # fmt: skip


def config_of(kind: str, side: int) -> Config:
    backbone = dict(BACKBONES[kind], img_size=side)
    head: dict[str, Any] = dict(type="ClsHead", in_channels=24, num_classes=3)
    if kind == "swin":
        backbone["window_size"], head["with_avg_pool"] = side // 8, True
    elif kind == "relative":
        head["with_avg_pool"] = False
    else:
        head["vit_backbone"] = True
    return Config(dict(model=dict(type="Classification", backbone=backbone, head=head)))


def model_of(kind: str, side: int) -> Any:
    """Return a classifier whose positions are drawn."""
    torch.manual_seed(side)
    model = build_algorithm(config_of(kind, side).model)
    for name, parameter in model.named_parameters():
        if "pos" in name:
            nn.init.normal_(parameter)
    return model


def positions(model: nn.Module) -> dict[str, Tensor]:
    return {n: p.detach() for n, p in model.named_parameters() if "pos_embed" in n or "_table" in n}


@pytest.fixture(params=BACKBONES)
def case(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, Any, str]:
    """A kind, its model for 32 pixels, and the model's checkpoint."""
    model = model_of(request.param, 32)
    torch.save({"state_dict": model.state_dict(), "meta": {"epoch": 1, "iter": 2}}, tmp_path / "a")
    return request.param, model, str(tmp_path / "a")


def check(kind: str, source: nn.Module, target: Any) -> None:
    """Check that all positions of ``target`` are those of ``source``, interpolated."""
    before, after = positions(source), positions(target)
    assert before.keys() == after.keys()
    assert after
    for name, found in after.items():
        assert found.shape != before[name].shape
        if kind in ("own", "mmcls") or name.endswith("backbone.pos_embed"):
            torch.testing.assert_close(
                found, resize_position_embedding(before[name], (4, 4), (8, 8)), atol=1e-5, rtol=0
            )
        # an interpolation has the level and the size of what it is made from
        assert abs(found.mean() - before[name].mean()) < 0.2
        assert 0.5 < found.std() / before[name].std() < 1.2
    img = torch.randn(2, 3, 64, 64)
    assert target.eval().extract_feat(img)[-1] is not None


def test_load_from(case: tuple[str, Any, str], caplog: pytest.LogCaptureFixture) -> None:
    kind, source, path = case
    target = model_of(kind, 64)
    report = load_weights(target, path)
    check(kind, source, target)
    assert not report.mismatched
    assert not report.missing
    assert report.complete
    assert {mismatch.name for mismatch in report.resized} == set(positions(target))
    assert str(report).count("  interpolated: ") == len(report.resized)
    with pytest.raises(UserError, match="strict"):
        load_weights(model_of(kind, 64), path, strict=True)


def test_other_widths_are_a_mismatch_as_before(case: tuple[str, Any, str]) -> None:
    kind, _, path = case
    cfg = config_of(kind, 64)
    arch = cfg.model.backbone.arch
    arch.embed_dims, cfg.model.head.in_channels = (16, 32) if kind == "swin" else (48, 48)
    with pytest.raises(UserError, match="no weight fits"):
        load_weights(build_algorithm(cfg.model), path)


def test_tools_that_load_a_model(case: tuple[str, Any, str]) -> None:
    kind, source, path = case
    check(kind, source, trained_model(config_of(kind, 64), path))
    check(kind, source, frozen_model(config_of(kind, 64), path, 0))


@pytest.mark.parametrize("of_timm", [False, True])
def test_pretrained_by_init_cfg(case: tuple[str, Any, str], of_timm: bool, tmp_path: Path) -> None:
    kind, source, path = case
    if of_timm:
        weights = {
            n: t for n, t in source.backbone.state_dict().items() if n != "absolute_pos_embed"
        }
        path = str(tmp_path / "timm.pth")
        torch.save(timm_names(weights, path), path)
    cfg = config_of(kind, 64)
    cfg.model.backbone.init_cfg = dict(type="Pretrained", checkpoint=path)
    target = build_algorithm(cfg.model)
    target.init_weights()
    if of_timm and kind == "swin":
        assert torch.equal(
            target.backbone.stages[0].blocks[0].norm1.weight,
            source.backbone.stages[0].blocks[0].norm1.weight,
        )
        del target.backbone.absolute_pos_embed, source.backbone.absolute_pos_embed
        return
    check(kind, source, target)


def test_start_weights_in_a_list_are_kept(case: tuple[str, Any, str]) -> None:
    """mmcv would draw the weights of the parts again."""
    kind, source, path = case
    cfg = config_of(kind, 32)
    start = dict(type="Pretrained", checkpoint=path)
    cfg.model.backbone.init_cfg = [start]
    target = build_algorithm(cfg.model)
    target.init_weights()
    for name, tensor in source.backbone.state_dict().items():
        assert torch.equal(tensor, target.backbone.state_dict()[name]), name
    cfg.model.backbone.init_cfg = [dict(type="Kaiming", layer="Conv2d"), start]
    with pytest.raises(ArgumentError, match="init_cfg lists 2 steps"):
        build_algorithm(cfg.model)


def test_pretrained_with_a_prefix(tmp_path: Path) -> None:
    source = model_of("own", 32)
    torch.save(
        {"state_dict": {f"a.{n}": t for n, t in source.state_dict().items()}}, tmp_path / "a"
    )
    cfg = config_of("own", 32)
    pretrained = dict(type="Pretrained", checkpoint=str(tmp_path / "a"), prefix="a.backbone")
    cfg.model.backbone.init_cfg = pretrained
    target = build_algorithm(cfg.model)
    target.init_weights()
    for name, tensor in source.backbone.state_dict().items():
        assert torch.equal(tensor, target.backbone.state_dict()[name])
    pretrained["prefix"] = "b"
    with pytest.raises(UserError, match="no weight begins with"):
        build_algorithm(cfg.model | {"backbone": dict(cfg.model.backbone, init_cfg=pretrained)}
                        ).init_weights()  # fmt: skip


def test_a_resume_refuses_them(case: tuple[str, Any, str], tmp_path: Path) -> None:
    kind, _source, path = case
    target = model_of(kind, 64)
    optimizer = build_optimizer(target, dict(type="SGD", lr=0.1))
    runner = EpochBasedRunner(
        target, optimizer=optimizer, work_dir=str(tmp_path), logger=logging.getLogger("t"), meta={}
    )
    with pytest.raises(UserError, match=r"is of another model(.|\n)*interpolated"):
        runner.resume(path)
