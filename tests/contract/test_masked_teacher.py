"""A method as an author writes it, outside the package: pairs of image and mask, and a teacher.

It uses together what a recipe such as iBOT's needs: masks with ``device_transforms``, ``amp``,
schedules, weight decay by dimension, clipping of each parameter, the teacher as what is exported.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from mmcv import Config
from PIL import Image
from torch import Tensor, nn

from mmselfsup.apis.train import train_model
from mmselfsup.datasets import build_dataset
from mmselfsup.models import BaseModel


class MaskedTeacher(BaseModel):
    """The student sees masked images and predicts the teacher's features of whole ones."""

    title = "Masked teacher"
    evaluates = "target"

    def __init__(self) -> None:
        super().__init__()
        student, teacher = (
            nn.Sequential(nn.Conv2d(3, 8, 4, 4), nn.GroupNorm(2, 8)) for _ in range(2)
        )
        self.student, self.teacher = (
            nn.ModuleDict({"backbone": Backbone(part)}) for part in (student, teacher)
        )
        self.backbone = self.student["backbone"]
        self.base_momentum = self.momentum = 0.9
        self.temperature = 0.04
        self.start_targets()

    def momentum_pairs(self) -> list[tuple[nn.Module, nn.Module]]:
        return [(self.student, self.teacher)]

    def forward_train(self, img: Any, **kwargs: Any) -> dict[str, Tensor]:
        losses = []
        for image, mask in img:
            hidden = F.interpolate(mask[:, None].float(), image.shape[-2:])  # [N, 1, H, W]
            seen = self.extract_feat(image * (1 - hidden))[0]
            self.dtype = seen.dtype
            with torch.no_grad():
                whole = self.teacher["backbone"](image)[0]
            losses.append((seen - whole).float().square().mean() / self.temperature)
        return {"loss": torch.stack(losses).mean()}


class Backbone(nn.Module):
    """A backbone of one stage."""

    def __init__(self, layers: nn.Module) -> None:
        super().__init__()
        self.layers = layers

    def forward(self, img: Tensor) -> tuple[Tensor]:
        return (self.layers(img),)


@pytest.fixture
def images(tmp_path: Path) -> Path:
    folder, rng = tmp_path / "images", np.random.default_rng(0)
    folder.mkdir()
    for i in range(16):
        Image.fromarray(rng.integers(0, 256, (20 + i, 30, 3)).astype(np.uint8)).save(
            folder / f"{i}.png"
        )
    return folder


def config(images: Path, folder: Path, **changes: Any) -> Config:
    pipeline = [
        dict(type="RandomResizedCrop", size=16),
        dict(type="ToTensor"),
        dict(type="Normalize", mean=[0.5, 0.5, 0.5], std=[0.2, 0.2, 0.2]),
        dict(type="BEiTMaskGenerator", input_size=4, num_masking_patches=8),
    ]
    return Config(
        dict(
            dict(
                log_level="ERROR",
                model=dict(type="MaskedTeacher"),
                amp=dict(dtype="bfloat16"),
                data=dict(
                    samples_per_gpu=4,
                    workers_per_gpu=0,
                    train=dict(
                        type="MultiViewDataset",
                        data_source=dict(type="ImageList", data_prefix=str(images)),
                        num_views=[2],
                        pipelines=[pipeline],
                        device_transforms=True,
                    ),
                ),
                optimizer=dict(type="AdamW", lr=0.01, weight_decay=0.04, norm_bias_decay=0.0),
                optimizer_config=dict(
                    update_interval=2, grad_clip=dict(per_parameter=True, max_norm=0.3)
                ),
                runner=dict(type="EpochBasedRunner", max_epochs=3),
                custom_hooks=[
                    dict(type="MomentumUpdateHook"),
                    dict(type="ScheduleHook", target="optimizer.weight_decay", end=0.4),
                    dict(type="ScheduleHook", target="model.momentum", policy="linear", end=1.0),
                    dict(type="ScheduleHook", target="model.temperature", end=0.07),
                    dict(type="FrozenFeaturesHook", interval=1, workers_per_gpu=0),
                ],
                log_config=dict(interval=1, hooks=[dict(type="TextLoggerHook")]),
                checkpoint_config=dict(interval=1),
                work_dir=str(folder),
                seed=0,
            ),
            **changes,
        )
    )


def train(cfg: Config) -> Any:
    torch.manual_seed(0)
    model = MaskedTeacher()
    return train_model(model, build_dataset(cfg.data.train), cfg)


def test_a_recipe_trains_and_resumes(images: Path, tmp_path: Path) -> None:
    cfg = config(images, tmp_path / "whole")
    whole = train(cfg)
    model = whole.model
    assert model.dtype == torch.bfloat16
    exported = torch.load(tmp_path / "whole" / "backbone.pth", weights_only=True)
    teacher = model.teacher["backbone"].state_dict()
    assert all(torch.equal(exported[name], tensor) for name, tensor in teacher.items())
    assert not torch.equal(exported["layers.0.weight"], model.backbone.layers[0].weight)
    decays = [group["weight_decay"] for group in whole.optimizer.param_groups]
    assert 0.3 < max(decays) < 0.4
    assert min(decays) == 0
    logs = "".join(file.read_text() for file in (tmp_path / "whole").glob("*.json"))
    lines = [json.loads(line) for line in logs.splitlines()]
    assert any("feature_std" in line for line in lines), "the monitor"
    assert any("alignment" in line for line in lines), "it sees both views"
    assert any("model.momentum" in line for line in lines)

    later = train(
        config(images, tmp_path / "later", resume_from=str(tmp_path / "whole" / "epoch_1.pth"))
    )
    for name, tensor in later.model.state_dict().items():
        assert torch.equal(tensor, model.state_dict()[name]), name
