"""The smallest model, data set and runner that the hooks can work on."""

import logging
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms import Compose, Normalize

import mmselfsup.core.hooks  # noqa: F401  (registers)
from mmselfsup.core.runner import EpochBasedRunner, IterBasedRunner


class TinyModel(nn.Module):
    """A linear classifier of two classes; ``fp16_enabled`` switches autocast on."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone = nn.Sequential(OrderedDict(conv1=nn.Conv2d(3, 4, 3), bn1=nn.BatchNorm2d(4)))
        self.head = nn.Linear(4, 2)
        self.fp16_enabled = False
        self.seen_dtype: torch.dtype | None = None

    def forward(self, img: Any, mode: str = "train", label: Any = None, **kwargs: Any) -> Any:
        image = img if isinstance(img, Tensor) else img[0]
        with torch.autocast(image.device.type, enabled=self.fp16_enabled):
            score = self.head(self.backbone(image).mean((2, 3)))
        self.seen_dtype = score.dtype
        if mode == "test":
            return {"head0": score.float()}
        return {"loss": nn.functional.cross_entropy(score.float(), label)}

    def _parse_losses(self, losses: dict[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        return losses["loss"], {name: value.detach() for name, value in losses.items()}

    def train_step(self, data: dict[str, Any], optimizer: Any = None) -> dict[str, Any]:
        loss, log_vars = self._parse_losses(self(**data))
        return {"loss": loss, "log_vars": log_vars, "num_samples": len(data["label"])}

    val_step = train_step


class TinyData(Dataset[dict[str, Any]]):
    """Images of two brightnesses, two views each if asked for."""

    CLASSES = ("dark", "bright")

    def __init__(self, length: int = 8, views: int = 1) -> None:
        self.views = views
        generator = torch.Generator().manual_seed(0)
        self.images = torch.randn(length, 3, 6, 6, generator=generator)
        self.gt_labels = torch.arange(length).remainder(2).numpy()
        self.images += torch.as_tensor(self.gt_labels).view(-1, 1, 1, 1)
        self.pipeline = Compose([Normalize([0.5, 0.5, 0.5], [0.25, 0.25, 0.25])])
        self.calls: list[dict[str, Any]] = []
        self.scores: list[float] = []

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, idx: int) -> dict[str, Any]:
        img = self.images[idx]
        views = [img] * self.views
        return {"img": img if self.views == 1 else views, "label": int(self.gt_labels[idx])}

    def evaluate(self, results: dict[str, Any], logger: Any = None, **kwargs: Any) -> Any:
        """Scores from ``self.scores`` in turn, accuracy otherwise."""
        self.calls.append(kwargs)
        accuracy = float((results["head0"].argmax(1) == self.gt_labels).mean())
        score = self.scores.pop(0) if self.scores else accuracy
        return {"accuracy": score, "val_loss": 1 - score}


@pytest.fixture
def make_loader() -> Callable[..., DataLoader[Any]]:
    def make(length: int = 8, views: int = 1, batch_size: int = 4) -> DataLoader[Any]:
        return DataLoader(TinyData(length, views), batch_size=batch_size)

    return make


@pytest.fixture
def make_runner(tmp_path: Path) -> Callable[..., Any]:
    """Runner with a seeded model in ``tmp_path``; further arguments go to the runner."""

    def make(iters: int | None = None, epochs: int = 1, lr: float = 0.1, **kwargs: Any) -> Any:
        torch.manual_seed(0)
        model = TinyModel()
        logger = logging.getLogger(f"tests.hooks.{tmp_path.name}")
        logger.setLevel(logging.INFO)
        optimizer = torch.optim.SGD(model.parameters(), lr=lr, momentum=0.9)
        cls = EpochBasedRunner if iters is None else IterBasedRunner
        length = dict(max_epochs=epochs) if iters is None else dict(max_iters=iters)
        options = dict(optimizer=optimizer, work_dir=str(tmp_path), logger=logger, meta={})
        return cls(model, **{**options, **length, **kwargs})

    return make
