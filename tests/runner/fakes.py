"""The smallest model and data that a runner can drive."""

import logging
import random
from collections import OrderedDict
from typing import Any

import numpy as np
import torch
from mmcv.runner import Hook
from torch import Tensor, nn
from torch.utils.data import Dataset

from mmselfsup.datasets import build_dataloader

WIDTH = 4


class TinyModel(nn.Module):
    """A regression with dropout, batch norm and a buffer that counts."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone = nn.Sequential(nn.Linear(WIDTH, 8), nn.BatchNorm1d(8), nn.ReLU())
        self.head = nn.Sequential(nn.Dropout(0.5), nn.Linear(8, 1))

    def forward(self, img: Tensor, label: Tensor, mode: str = "train", **kwargs: Any) -> Any:
        score = self.head(self.backbone(img)).squeeze(1)
        if mode == "test":
            return {"head0": score[:, None].cpu()}
        return {"loss": (score - label).square().mean(), "acc": score.detach().mean()}

    def _parse_losses(self, losses: dict[str, Tensor]) -> tuple[Tensor, OrderedDict[str, Tensor]]:
        return losses["loss"], OrderedDict((k, v.detach()) for k, v in losses.items())

    def train_step(self, data: dict[str, Any], optimizer: Any = None) -> dict[str, Any]:
        loss, log_vars = self._parse_losses(self(**data))
        return {"loss": loss, "log_vars": log_vars, "num_samples": len(data["img"])}

    val_step = train_step


class TinyData(Dataset[dict[str, Any]]):
    """Samples with noise from three random generators, as augmentations would draw it."""

    def __init__(self, length: int = 12, noise: float = 1.0) -> None:
        self.length, self.noise = length, noise

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, idx: int) -> dict[str, Any]:
        noise = random.random() + np.random.rand() + torch.rand(()).item()
        img = torch.full((WIDTH,), float(idx)) / self.length + self.noise * noise
        return {"img": img, "label": torch.tensor(float(idx)), "idx": idx}


class Recorder(Hook):  # type: ignore[misc]
    """Writes down every stage and where the runner was."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, str | None, int, int, int]] = []

    def note(self, stage: str, runner: Any) -> None:
        self.seen.append((stage, runner.mode, runner.epoch, runner.iter, runner.inner_iter))


def _stage(name: str) -> Any:
    return lambda self, runner: self.note(name, runner)


for stage in (*Hook.stages, "before_epoch", "after_epoch"):
    setattr(Recorder, stage, _stage(stage))


def quiet_logger() -> logging.Logger:
    """A logger that keeps everything to itself."""
    logger = logging.getLogger("tests.engine")
    logger.propagate = False
    logger.handlers = [logging.NullHandler()]
    return logger


def make_loader(length: int = 12, workers: int = 0, **kwargs: Any) -> Any:
    """Batches of four."""
    return build_dataloader(
        TinyData(length), samples_per_gpu=4, workers_per_gpu=workers, seed=3, **kwargs
    )


def make_runner(runner_class: Any, work_dir: str | None = None, **kwargs: Any) -> Any:
    """A runner round a seeded tiny model, with mmcv's optimizer hook and a falling rate."""
    torch.manual_seed(0)
    model = TinyModel()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    runner = runner_class(
        model, optimizer=optimizer, work_dir=work_dir, logger=quiet_logger(), meta={}, **kwargs
    )
    by_epoch = "Iter" not in runner_class.__name__
    runner.register_training_hooks(
        lr_config={"policy": "CosineAnnealing", "min_lr": 0.0, "by_epoch": by_epoch},
        optimizer_config={"grad_clip": {"max_norm": 5.0}},
        log_config={"interval": 2, "hooks": []},
    )
    return runner


def weights(runner: Any) -> list[Tensor]:
    """All weights and buffers, copied."""
    return [tensor.clone() for tensor in runner.model.state_dict().values()]
