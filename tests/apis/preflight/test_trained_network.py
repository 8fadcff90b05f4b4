"""Weights of a network of the same shapes that computes otherwise are told."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest

from mmselfsup.apis.preflight.trained_network import report_other_network
from mmselfsup.config.load import load_config
from mmselfsup.config.text import config_text
from mmselfsup.study.find_configs import find_finetune_config, find_ssl_config

RESNET = dict(type="ResNet", depth=50, base_channels=4, stem_channels=4, out_indices=[4])
VIT = dict(
    type="VisionTransformer", img_size=16, patch_size=8,
    arch=dict(embed_dims=24, num_layers=1, num_heads=2, feedforward_channels=48),
)  # fmt: skip


def warned(before: dict[str, Any], now: dict[str, Any]) -> str:
    state = {"meta": {"config": config_text({"model": dict(type="SimCLR", backbone=before)})}}
    model = dict(type="Classification", backbone=now)
    return report_other_network(model, "a.pth", state, logging.getLogger("test"))


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (dict(strides=(1, 1, 2, 2)), "stride of layer2.0.conv2 is (2, 2) there and (1, 1) here"),
        (dict(style="caffe"), "stride of layer2.0.conv1 is (1, 1) there and (2, 2) here"),
        (dict(dilations=(1, 1, 1, 2)), "here"),
    ],
)
def test_a_stride_elsewhere_is_told(options: dict[str, Any], told: str) -> None:
    line = warned(RESNET, RESNET | options)
    assert line.startswith("model.backbone computes otherwise than that of a.pth")
    assert told in line
    assert "such difference" in line


def test_another_number_of_heads_is_told() -> None:
    other = VIT | dict(arch=VIT["arch"] | dict(num_heads=4))  # type: ignore[operator]
    assert "num_heads of layers.0.attn is 2 there and 4 here" in warned(VIT, other)


@pytest.mark.parametrize(
    ("before", "options"),
    [
        (RESNET, {}),
        (
            RESNET,
            dict(frozen_stages=4, norm_eval=True, out_indices=[1, 2, 3, 4], strides=[1, 2, 2, 2]),
        ),
        (RESNET, dict(norm_cfg=dict(type="SyncBN"))),
        (RESNET, dict(init_cfg=dict(type="Pretrained", checkpoint="/nowhere.pth"))),
        (VIT, dict(img_size=32, drop_path_rate=0.1)),
        (VIT, dict(type="MAEViT", mask_ratio=0.5)),
        (RESNET, dict(type="OfAnotherLibrary")),
    ],
)
def test_what_trains_otherwise_is_not_told(before: dict[str, Any], options: dict[str, Any]) -> None:
    assert warned(before, before | options) == ""
    assert warned(before | options, before) == ""


SWIN: dict[str, Any] = dict(
    type="mmcls.SwinTransformer", img_size=64, stage_cfgs=dict(block_cfgs=dict(window_size=4)),
    arch=dict(embed_dims=8, depths=[2, 2], num_heads=[2, 2]), out_indices=(1,),
)  # fmt: skip


def test_a_swin_is_compared_though_it_reads_values_on_the_way() -> None:
    other = SWIN | dict(stage_cfgs=dict(block_cfgs=dict(window_size=2)))
    assert "shift_size of stages.0.blocks.1.attn is 2 there and 1 here" in warned(SWIN, other)
    assert warned(SWIN, SWIN | dict(drop_path_rate=0.3)) == ""


def test_what_a_pre_training_says_of_its_classifier_is_not_told() -> None:
    meant = dict(strides=(1, 2, 2, 2))
    before = RESNET | dict(strides=(1, 2, 2, 1))
    content = dict(model=dict(type="SparK", backbone=before), classifier_backbone=meant)

    def told(now: dict[str, Any], config: dict[str, Any] = content) -> str:
        state = {"meta": {"config": config_text(config)}}
        model = dict(type="Classification", backbone=now)
        return report_other_network(model, "a.pth", state, logging.getLogger("test"))

    assert told(RESNET | meant) == told(before | dict(norm_eval=True)) == ""
    assert "stride of layer2" in told(RESNET | dict(strides=(1, 1, 2, 2)))
    assert "stride of layer4" in told(RESNET, content | dict(classifier_backbone=3))


@pytest.mark.parametrize("name", ["spark", "vicregl", "simmim"])
def test_a_shipped_pre_training_is_silent_in_the_classifier_of_its_study(name: str) -> None:
    configs = Path(__file__).parents[3] / "configs"
    path = find_ssl_config(configs, name, "64")
    used = load_config(str(find_finetune_config(configs, "64", ssl_configs={name: path})))
    state = {"meta": {"config": config_text(load_config(str(path))._cfg_dict)}}
    assert report_other_network(used._cfg_dict.to_dict()["model"], name, state) == ""


def test_files_without_a_config_say_nothing() -> None:
    model = dict(type="Classification", backbone=RESNET)
    assert report_other_network(model, "a.pth", {"state_dict": {}}) == ""
    assert report_other_network(dict(type="RelativeLoc"), "a.pth", {}) == ""
