"""A tool that prepares images otherwise than the training of its checkpoint says so, once."""

import copy
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mmcv import Config
from PIL import Image

from mmselfsup.apis.inference.embedder import Embedder
from mmselfsup.apis.inference.predictor import Predictor
from mmselfsup.apis.preflight.trained_input import input_of, report_other_input
from mmselfsup.config.load import load_config
from mmselfsup.config.text import config_text
from mmselfsup.models import build_algorithm
from tests.contract.tiny_models import TINY

NORM = dict(type="Normalize", mean=[0.5, 0.5, 0.5], std=[0.25, 0.25, 0.25])


def config(size: int = 32, **changes: Any) -> dict[str, Any]:
    pipeline = [
        dict(type="Resize", size=size + 8),
        dict(type="CenterCrop", size=size),
        dict(type="ToTensor"),
        {**NORM, **changes.pop("norm", {})},
    ]
    source = dict(type="ImageList", data_prefix=".", **changes)
    test = dict(type="SingleViewDataset", data_source=source, pipeline=pipeline)
    return dict(data=dict(test=test), model=dict(type="Classification"))


def compared(used: dict[str, Any], trained: dict[str, Any]) -> str:
    state = dict(meta=dict(config=config_text(trained)))
    return "; ".join(report_other_input(Config(used), "a.pth", state))


@pytest.mark.parametrize(
    ("used", "said"),
    [
        (config(48), "image size 48, trained with 32"),
        (config(norm=dict(mean=[0.1, 0.5, 0.5])), "mean [0.1, 0.5, 0.5], trained with [0.5, 0.5"),
        (config(norm=dict(std=[1, 1, 1])), "std [1, 1, 1], trained with [0.25, 0.25, 0.25]"),
        (config(channel_order="bgr"), "channel_order bgr, trained with rgb"),
        (config(color_type="grayscale"), "color_type grayscale, trained with color"),
    ],
)
def test_each_difference_has_both_values(used: dict[str, Any], said: str) -> None:
    assert said in compared(used, config())


def test_equal_preparations_are_silent(caplog: pytest.LogCaptureFixture) -> None:
    rounded = config(norm=dict(mean=[0.50004, 0.5, 0.5]))
    with caplog.at_level(logging.WARNING, "mmselfsup"):
        assert compared(rounded, config()) == ""
        assert compared(config(48), {}) == ""
        assert report_other_input(Config(config()), None) == []
        assert report_other_input(Config(config()), "a.pth", dict(state_dict={})) == []
    assert caplog.text == ""


def test_what_a_pre_training_says() -> None:
    views = [
        [dict(type="RandomResizedCrop", size=size), dict(type="ToTensor")] for size in (64, 32)
    ]
    source = dict(type="ImageList", data_prefix=".")
    train = dict(type="MultiViewDataset", data_source=source, num_views=[2, 4], pipelines=views)
    norm = dict(mean=[0.1], std=[0.2])
    content = dict(
        data=dict(train=dict(type="RepeatDataset", times=2, dataset=train)),
        prefetch=True,
        img_norm_cfg=norm,
    )
    kinds = dict(channel_order="rgb", color_type="color")
    assert input_of(content) == {"image size": 64, **norm, **kinds}


@pytest.mark.parametrize("model", [None, dict(type="SimMIM"), dict(type="OfNobody")])
def test_a_pre_training_may_have_another_size(model: Any) -> None:
    assert compared(config(48) | dict(model=model), config() | dict(model=model)) == ""
    assert compared(config(48), config() | dict(model=model)) == ""
    other = config(48, channel_order="bgr") | dict(model=model)
    assert compared(other, config() | dict(model=model)) == "channel_order bgr, trained with rgb"


PAIRS = [
    ("relative_loc/relative-loc_resnet18_1xb32-coslr-70e_isic2019-64", "knn_isic2019-64"),
    ("relative_loc/relative-loc_resnet50_8xb64-steplr-70e_in1k", "knn_imagenet"),
    ("simmim/simmim_swin-base_16xb128-coslr-100e_in1k-192", "tsne_imagenet"),
]


@pytest.mark.parametrize(("trained", "used"), PAIRS)
def test_shipped_pairs_are_silent(trained: str, used: str) -> None:
    configs = Path(__file__).parents[3] / "configs"
    before = load_config(str(configs / f"selfsup/{trained}.py"))._cfg_dict.to_dict()
    cfg = load_config(str(configs / f"benchmarks/classification/{used}.py"))
    assert compared(cfg._cfg_dict.to_dict(), before) == ""
    if trained.startswith("relative_loc"):  # the network sees patches of it
        assert "image size" not in input_of(before)


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    """A classifier with its config, and an image."""
    model = copy.deepcopy(TINY["Classification"].cfg)
    path = tmp_path / "latest.pth"
    text = config_text(config() | dict(model=model))
    weights = build_algorithm(copy.deepcopy(model)).state_dict()
    torch.save(dict(state_dict=weights, meta=dict(config=text)), path)
    Image.fromarray(np.full((40, 40, 3), 99, np.uint8)).save(tmp_path / "a.png")
    return path


@pytest.mark.parametrize("tool", [Predictor, Embedder])
def test_tools_say_it_with_another_config(
    tool: Any, checkpoint: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, "mmselfsup"):
        tool(str(checkpoint))
        assert "prepared otherwise" not in caplog.text
        model = copy.deepcopy(TINY["Classification"].cfg)
        tool(str(checkpoint), Config(config(48) | dict(model=model)))
    assert caplog.text.count("image size 48, trained with 32") == 1
