"""Training steps of one small config on random images, with the batch of its own pipelines."""

import logging
import resource
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmcv import Config
from PIL import Image
from serve import serve, settings

from mmselfsup.apis.train import build_model
from mmselfsup.apis.training.acceleration import accelerate
from mmselfsup.config.load import load_config
from mmselfsup.core.optimizer import build_optimizer
from mmselfsup.datasets import build_dataset
from mmselfsup.datasets.loader import collate
from mmselfsup.models.utils.dall_e import Encoder
from mmselfsup.models.utils.teacher import FrozenTeacher
from mmselfsup.utils.data_info import DataInfo, fit_to_data
from mmselfsup.utils.memory_allocator import keep_blocks_apart, keep_freed_memory

LENGTH, CLUSTERS = 8013, 80  # images of a training fold; pseudo-classes

wanted = settings()
torch.set_num_threads(wanted["threads"])
torch.manual_seed(0)


def images(folder: Path) -> None:
    """Write pictures, and a list of them with labels."""
    rng = np.random.default_rng(0)
    for number in range(wanted["images"]):
        pixels = rng.integers(0, 256, (15, 20, 3)).astype(np.uint8)
        Image.fromarray(pixels).resize((200, 150), Image.Resampling.BICUBIC).save(
            folder / f"{number}.png"
        )
    lines = [f"{number}.png {number % 8}\n" for number in range(wanted["images"])]
    (folder / "list.txt").write_text("".join(lines))


def with_stand_ins(cfg: Config, folder: Path) -> Config:
    """Name files of random weights where the config wants those of others.

    Time and memory of a step are those of the networks, whatever their weights.
    """
    if cfg.model.type == "Distillation":
        teacher = FrozenTeacher(cfg.model.teacher.backbone).backbone
        cfg.model.teacher.checkpoint = str(folder / "teacher.pth")
        torch.save(teacher.state_dict(), cfg.model.teacher.checkpoint)
    if cfg.model.type == "CAE":
        tokenizer = Encoder(**cfg.model.head.get("tokenizer", {}))
        cfg.model.head.tokenizer_path = str(folder / "tokenizer.pth")
        torch.save(tokenizer.state_dict(), cfg.model.head.tokenizer_path)
    return cfg


def batch_of(cfg: Config) -> Any:
    """Return one batch of the training data."""
    dataset: Any = build_dataset(cfg.data.train)
    if hasattr(dataset, "assign_labels"):
        dataset.assign_labels(np.arange(len(dataset)) % CLUSTERS)
    return collate([dataset[number] for number in range(wanted["images"])])


def prepared(cfg: Config) -> Any:
    """Return the model as a training starts with it."""
    model: Any = build_model(cfg).train()
    fit_to_data(model.modules(), DataInfo(LENGTH, wanted["images"]))
    bank = getattr(model, "memory_bank", None)
    if hasattr(bank, "num_classes"):
        rows = torch.randn(bank.feature_bank.shape)
        bank.init_memory(rows, torch.arange(len(rows)) % bank.num_classes)
    options = dict(amp=dict(dtype="auto"), channels_last=True)
    accelerate(model, Config(options), logging.getLogger())
    return model


keep_blocks_apart()  # as FreedMemoryHook does around the first iteration
with tempfile.TemporaryDirectory() as place:
    images(Path(place))
    source = {"data_prefix": place, "ann_file": f"{place}/list.txt"}
    cfg = load_config(
        wanted["config"], {f"data.train.data_source.{key}": value for key, value in source.items()}
    )
    data = batch_of(cfg)
    model = prepared(with_stand_ins(cfg, Path(place)))
optimizer = build_optimizer(model, cfg.optimizer)
moves = bool(model.momentum_pairs())


def work() -> dict[str, float]:
    """Run one step; return the peak memory of this process so far, in MiB."""
    model.train_step(data)["loss"].backward()
    optimizer.step()
    optimizer.zero_grad()
    if moves:
        model.momentum_update()
    return {"memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}


work()
keep_freed_memory()
serve(work, {"torch": torch.__version__})
