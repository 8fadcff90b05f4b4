"""Trainings of a ViT with class token and of a Swin: monitor, precision, layout, compilation."""

import copy
import json
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mmcv import Config
from PIL import Image
from torch import Tensor

from mmselfsup.apis import train_model
from mmselfsup.apis.training.acceleration import accelerate
from mmselfsup.datasets import build_dataset
from mmselfsup.models import build_algorithm

LOGGER = logging.getLogger("test")
NECK: dict[str, Any] = dict(type="NonLinearNeck", in_channels=24, hid_channels=16, out_channels=8)
VIT: dict[str, Any] = dict(
    type="MoCoV3",
    backbone=dict(
        type="VisionTransformer",
        arch=dict(embed_dims=24, num_layers=2, num_heads=2, feedforward_channels=48),
        img_size=32,
        patch_size=8,
        stop_grad_conv1=True,
    ),
    neck=dict(NECK, vit_backbone=True, with_avg_pool=False, norm_cfg=dict(type="BN1d")),
    head=dict(
        type="MoCoV3Head",
        predictor=dict(NECK, in_channels=8, with_avg_pool=False, norm_cfg=dict(type="BN1d")),
        temperature=0.2,
    ),
)
SWIN: dict[str, Any] = dict(
    type="SimCLR",
    backbone=dict(
        type="mmcls.SwinTransformer", arch=dict(embed_dims=12, depths=[2, 2], num_heads=[2, 2]),
        img_size=32, window_size=4, out_indices=(1,), drop_path_rate=0.0,
    ),
    neck=NECK,
    head=dict(type="ContrastiveHead", temperature=0.5),
)  # fmt: skip
MODELS = {"vit": VIT, "swin": SWIN}
each_model = pytest.mark.parametrize("kind", MODELS)


def model_of(kind: str, **backbone: Any) -> Any:
    torch.manual_seed(0)
    config = copy.deepcopy(MODELS[kind])
    config["backbone"].update(backbone)
    return build_algorithm(config).train()


def views() -> list[Tensor]:
    torch.manual_seed(1)
    return [torch.randn(6, 3, 32, 32) for _ in range(2)]


def step(model: Any, img: list[Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
    """Return the loss and the gradients of a step."""
    model.zero_grad()
    loss = model(img)["loss"]
    loss.backward()
    return loss.detach(), {n: p.grad for n, p in model.named_parameters() if p.grad is not None}


def assert_near(found: Any, wanted: Any, **tolerance: float) -> None:
    assert found[1].keys() == wanted[1].keys()
    torch.testing.assert_close(found[0], wanted[0], **tolerance)
    for name, gradient in wanted[1].items():
        torch.testing.assert_close(found[1][name], gradient, **tolerance)


@each_model
def test_recomputed_activations_change_no_gradient(kind: str) -> None:
    img = views()
    assert_near(step(model_of(kind, with_cp=True), img), step(model_of(kind), img))


@each_model
def test_channels_last_changes_no_gradient(kind: str) -> None:
    img = [view.double() for view in views()]
    plain, other = model_of(kind).double(), model_of(kind).double()
    accelerate(other, dict(channels_last=True), LOGGER)
    assert_near(step(other, img), step(plain, img))


@each_model
def test_half_precision_is_near_and_the_loss_is_full(kind: str) -> None:
    img, model = views(), model_of(kind)
    full, gradients = step(model, img)
    accelerate(model, dict(amp=dict(dtype="bfloat16")), LOGGER)
    half, others = step(model, img)
    assert half.dtype is torch.float32
    assert half != full
    assert half.item() == pytest.approx(full.item(), rel=0.05)
    assert others.keys() == gradients.keys()
    assert all(gradient.isfinite().all() for gradient in others.values())


@each_model
def test_compiled_backbones_do_the_same_under_the_same_names(kind: str) -> None:
    img, plain, other = views(), model_of(kind), model_of(kind)
    accelerate(other, dict(compile=dict(backend="eager")), LOGGER)
    assert list(other.state_dict()) == list(plain.state_dict())
    assert_near(step(other, img), step(plain, img))


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """48 images of three colours and their list."""
    lines = []
    for number in range(48):
        pixels = np.random.default_rng(number).integers(0, 80, (36, 40, 3), dtype=np.uint8)
        pixels[..., number % 3] += 150
        Image.fromarray(pixels).save(tmp_path / f"{number}.png")
        lines.append(f"{number}.png {number % 3}\n")
    (tmp_path / "list.txt").write_text("".join(lines))
    return tmp_path


@each_model
def test_the_monitor_watches_a_training_with_everything_on(kind: str, images: Path) -> None:
    pipeline = [
        dict(type="RandomResizedCrop", size=32),
        dict(type="ToTensor"),
        dict(type="Normalize", mean=[0.5, 0.5, 0.5], std=[0.2, 0.2, 0.2]),
    ]
    source = dict(type="ImageList", data_prefix=str(images), ann_file=str(images / "list.txt"))
    train = dict(type="MultiViewDataset", data_source=source, num_views=[2], pipelines=[pipeline])
    model = copy.deepcopy(MODELS[kind])
    model["backbone"]["with_cp"] = True
    hooks = [dict(type="FrozenFeaturesHook", interval=1, workers_per_gpu=0)]
    cfg = Config(
        dict(
            model=model,
            data=dict(samples_per_gpu=8, workers_per_gpu=0, train=train),
            optimizer=dict(type="AdamW", lr=1e-3),
            lr_config=dict(policy="fixed"),
            runner=dict(type="EpochBasedRunner", max_epochs=2),
            log_config=dict(interval=1, hooks=[dict(type="TextLoggerHook")]),
            custom_hooks=[*hooks, *([dict(type="MomentumUpdateHook")] if kind == "vit" else [])],
            amp=dict(dtype="bfloat16"),
            channels_last=True,
            compile=dict(backend="aot_eager"),
            work_dir=str(images / "run"),
            seed=0,
        )
    )
    train_model(
        build_algorithm(copy.deepcopy(cfg.model)), build_dataset(cfg.data.train), cfg,
        timestamp="log", meta=dict(seed=0),
    )  # fmt: skip
    lines = [json.loads(line) for line in (images / "run" / "log.log.json").read_text().split("\n")
             if line]  # fmt: skip
    watched = [line for line in lines if "effective_rank" in line]
    assert [line["epoch"] for line in watched] == [0, 1, 2]
    for line in watched:
        assert 0 <= line["knn_balanced_accuracy"] <= 1
        assert line["feature_std"] > 0
        assert line["uniformity"] < 0 < line["alignment"]
    assert all(np.isfinite(line["loss"]) for line in lines if "loss" in line)
