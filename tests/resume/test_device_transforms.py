"""Training with views made on the device, stopped and resumed, gives the same bits.

Images from shards give the bits of the folder, and resume from a server after the folder's run.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mmcv import Config
from PIL import Image

from mmselfsup.apis.train import train_model
from mmselfsup.datasets import build_dataset
from mmselfsup.datasets.data_sources import ImageList
from mmselfsup.datasets.data_sources.shard_writer import make_shards
from mmselfsup.models import build_algorithm
from tests.contract.tiny_models import TINY
from tests.datasets.range_server import serving

STEPS = [
    dict(type="RandomHorizontalFlip"),
    dict(type="ColorJitter", brightness=0.4, hue=0.1),
    dict(type="GaussianBlur", sigma_min=0.1, sigma_max=2.0),
    dict(type="ToTensor"),
]


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """Twelve images of noise."""
    folder, rng = tmp_path / "images", np.random.default_rng(0)
    folder.mkdir()
    for i in range(12):
        pixels = rng.integers(0, 256, (20 + i, 30, 3)).astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"{i}.png")
    return folder


def train(images: Any, folder: Path, size: int, workers: int = 0, **changes: Any) -> Any:
    in_folder = dict(type="ImageList", data_prefix=str(images))
    source = images if isinstance(images, dict) else in_folder
    cfg = Config(
        dict(
            changes,
            log_level="ERROR",
            data=dict(
                samples_per_gpu=4,
                workers_per_gpu=workers,
                train=dict(
                    type="MultiViewDataset",
                    data_source=source,
                    num_views=[2],
                    pipelines=[[dict(type="RandomResizedCrop", size=size), *STEPS]],
                    device_transforms=True,
                ),
            ),
            optimizer=dict(type="SGD", lr=0.05, momentum=0.9),
            lr_config=dict(policy="CosineAnnealing", min_lr=0.0, by_epoch=False),
            runner=dict(type="EpochBasedRunner", max_epochs=3),
            log_config=dict(interval=1, hooks=[]),
            checkpoint_config=dict(interval=1, by_epoch=False),
            work_dir=str(folder),
            seed=0,
        )
    )
    torch.manual_seed(len(changes))
    model = build_algorithm(TINY["SimCLR"].cfg)
    model.init_weights()
    return train_model(model, build_dataset(cfg.data.train), cfg).model.state_dict()


def test_resume_is_bit_equal(images: Path, tmp_path: Path) -> None:
    size = TINY["SimCLR"].batch(1, torch.Generator())["img"][0].shape[-1]
    whole = train(images, tmp_path / "whole", size)
    for done, workers in ((3, 0), (5, 1)):  # between two epochs, inside one
        file = str(tmp_path / "whole" / f"iter_{done}.pth")
        resumed = train(images, tmp_path / "resumed", size, workers, resume_from=file)
        changed = [key for key, value in whole.items() if not torch.equal(value, resumed[key])]
        assert not changed, f"after {done} iterations"


def test_shards_give_the_bits_of_the_folder_and_resume_its_run(
    images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("http_proxy", raising=False)
    size = TINY["SimCLR"].batch(1, torch.Generator())["img"][0].shape[-1]
    make_shards(ImageList(str(images)), tmp_path / "shards", 5)
    whole = train(images, tmp_path / "whole", size)
    with serving(tmp_path / "shards") as server:
        server.faults = [None, 503, "cut"]
        cache = dict(dir=str(tmp_path / "cache"))
        remote = dict(type="Shards", url=server.url, shard_cache=cache, retry=dict(wait=0.01))
        for source, changes in (
            (dict(type="Shards", url=str(tmp_path / "shards")), {}),
            (remote, {"resume_from": str(tmp_path / "whole" / "iter_5.pth")}),
        ):
            found = train(source, tmp_path / "other", size, 2, **changes)
            assert not [key for key in whole if not torch.equal(whole[key], found[key])]
