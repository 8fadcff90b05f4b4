"""The images of start weights: what a pipeline leaves open is taken from them, and said."""

import copy
import logging

import pytest
from mmcv import Config

from mmselfsup.apis.training.start_input import apply_start_input
from mmselfsup.datasets import PIPELINES

OPEN = [{"type": "RandomResizedCrop"}, {"type": "ToTensor"}, {"type": "Normalize"}]
OWN = [
    {"type": "RandomResizedCrop", "size": 64, "interpolation": 2},
    {"type": "ToTensor"},
    {"type": "Normalize", "mean": [0.7, 0.5, 0.5], "std": [0.1, 0.1, 0.1]},
]
# OpenAI's, with which CLIP was trained.
CLIP = [0.48145466, 0.4578275, 0.40821073]
NAME = "vit_base_patch32_clip_224.openai"


def config(pipeline, **settings):
    data = {"train": {"type": "MultiViewDataset", "pipelines": [copy.deepcopy(pipeline)]}}
    return Config({"data": data, **settings})


def pipeline_of(cfg):
    return cfg.data.train.pipelines[0]


@pytest.mark.parametrize(
    "settings",
    [
        {"load_from": f"timm://{NAME}"},
        {"model": {"backbone": {"type": f"timm.{NAME}", "pretrained": True}}},
        {"model": {"backbone": {"type": f"timm.{NAME}"}}, "load_from": "a.pth"},
        {"model": {"backbone": {"type": f"timm.{NAME}", "checkpoint_path": "a.pth"}}},
        {"model": {"backbone": {"type": "TIMMBackbone", "model_name": NAME, "pretrained": True}}},
    ],
)
def test_what_is_open_is_that_of_the_weights(settings, caplog):
    cfg = config(OPEN, **settings)
    with caplog.at_level(logging.INFO):
        apply_start_input(cfg, logging.getLogger("start_input"))
    crop, _, norm = pipeline_of(cfg)
    assert norm.mean == pytest.approx(CLIP)
    assert norm.std == pytest.approx([0.26862954, 0.26130258, 0.27577711])
    assert (tuple(crop["size"]), crop["interpolation"]) == ((224, 224), 3)
    assert "taken for the pipelines: interpolation, mean and std, size" in caplog.text
    for transform in pipeline_of(cfg):
        PIPELINES.build(dict(transform))


def test_what_is_set_stays_and_a_difference_is_said(caplog):
    cfg = config(OWN, load_from=f"timm://{NAME}")
    with caplog.at_level(logging.INFO):
        apply_start_input(cfg, logging.getLogger("start_input"))
    assert pipeline_of(cfg) == OWN
    assert "nothing, they set all of it" in caplog.text
    assert "input_of_weights=True takes these" in caplog.text


def test_input_of_weights_replaces_all_but_the_size():
    cfg = config(OWN, load_from=f"timm://{NAME}", input_of_weights=True, img_norm_cfg={"mean": [0]})
    apply_start_input(cfg, logging.getLogger("start_input"))
    crop, _, norm = pipeline_of(cfg)
    assert norm.mean == pytest.approx(CLIP) == cfg.img_norm_cfg.mean
    assert (crop["size"], crop["interpolation"]) == (64, 3)


def test_torchvision_knows_its_weights():
    cfg = config(OPEN, load_from="torchvision://resnet18")
    apply_start_input(cfg, logging.getLogger("start_input"))
    crop, _, norm = pipeline_of(cfg)
    assert (norm.mean, crop["interpolation"]) == ([0.485, 0.456, 0.406], 2)


@pytest.mark.parametrize(
    ("name", "crop", "size"),
    [
        ("torchvision://resnet18", {"type": "CenterCrop", "size": 224}, 256),
        ("torchvision://resnet18", {"type": "RandomCrop", "size": (112, 112)}, 128),
        ("timm://resnet18.tv_in1k", {"type": "CenterCrop", "size": 224}, 256),  # crop_pct 0.875
        ("torchvision://resnet18", {"type": "ToTensor"}, (224, 224)),
    ],
)
def test_a_resize_before_a_crop_keeps_the_shape_of_the_image(name, crop, size):
    """A square would distort it; without a crop images of other shapes would fit no batch."""
    cfg = config([{"type": "Resize"}, crop, *OPEN[1:]], load_from=name)
    apply_start_input(cfg, logging.getLogger("start_input"))
    resize = pipeline_of(cfg)[0]
    assert (tuple(resize["size"]) if isinstance(size, tuple) else resize["size"]) == size
    PIPELINES.build(dict(resize))


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"load_from": "a.pth"},
        {"model": {"backbone": {"type": "ResNet"}}, "load_from": "a.pth"},
        {"model": {"backbone": {"type": "timm.resnet18"}}},  # random weights want no input
        {"load_from": "timm://no_such_model"},
    ],
)
def test_weights_that_no_library_knows_change_nothing(settings, caplog):
    cfg = config(OPEN, **settings)
    with caplog.at_level(logging.INFO):
        apply_start_input(cfg, logging.getLogger("start_input"))
    assert pipeline_of(cfg) == OPEN
    assert not caplog.text
