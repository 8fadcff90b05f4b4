"""A folder with a few images, a list of them, and two configs that train on them in seconds."""

from pathlib import Path

import numpy as np
import pytest
import torch.utils.tensorboard  # noqa: F401  # this and what follows: for the tests' forks, once
from PIL import Image

import mmselfsup.apis.test
import mmselfsup.apis.train  # noqa: F401

NUM_IMAGES = 12
CLASSES = ["red", "green", "blue"]

BASE = """
log_level = "INFO"
dist_params = dict(backend="nccl")
cudnn_benchmark = True
load_from = None
resume_from = None
workflow = [("train", 1)]
persistent_workers = True
opencv_num_threads = 0
mp_start_method = "fork"
norm = dict(type="Normalize", mean=[0.5, 0.5, 0.5], std=[0.2, 0.2, 0.2])
source = dict(type="ImageList", data_prefix="images", ann_file="list.txt", classes=CLASSES)
backbone = dict(type="ResNet", depth=18, in_channels=3, stem_channels=8, base_channels=8,
                out_indices=[4], norm_cfg=dict(type="SyncBN"))
optimizer = dict(type="SGD", lr=0.05, momentum=0.9)
optimizer_config = dict()
lr_config = dict(policy="CosineAnnealing", min_lr=0.0)
runner = dict(type="EpochBasedRunner", max_epochs=2)
checkpoint_config = dict(interval=1)
log_config = dict(interval=1, hooks=[dict(type="TextLoggerHook")])
""".replace("CLASSES", repr(CLASSES))

SIMCLR = """
model = dict(
    type="SimCLR",
    backbone=backbone,
    neck=dict(type="NonLinearNeck", in_channels=64, hid_channels=16, out_channels=8,
              num_layers=2, with_avg_pool=True),
    head=dict(type="ContrastiveHead", temperature=0.1),
)
view = [dict(type="RandomResizedCrop", size=32), dict(type="RandomHorizontalFlip"),
        dict(type="ToTensor"), norm]
data = dict(
    samples_per_gpu=4,
    workers_per_gpu=0,
    train=dict(type="MultiViewDataset", data_source=source, num_views=[2], pipelines=[view]),
)
"""

CLASSIFIER = """
model = dict(
    type="Classification",
    backbone=backbone,
    head=dict(type="ClsHead", with_avg_pool=True, in_channels=64, num_classes=3),
)
steps = [dict(type="Resize", size=[32, 32]), dict(type="ToTensor"), norm]
data = dict(
    imgs_per_gpu=4,
    workers_per_gpu=0,
    train=dict(type="SingleViewDataset", data_source=source, pipeline=steps),
    val=dict(type="SingleViewDataset", data_source=source, pipeline=steps),
)
evaluation = dict(interval=1, topk=(1, 2))
"""


def make_place(folder: Path) -> Path:
    """Write ``images/``, ``list.txt``, ``simclr.py`` and ``classifier.py`` into a folder."""
    rng = np.random.default_rng(0)
    (folder / "images").mkdir()
    lines = []
    for number in range(NUM_IMAGES):
        label = number % len(CLASSES)
        pixels = rng.integers(0, 80, (40, 48, 3), dtype=np.uint8)
        pixels[..., label] += 150
        Image.fromarray(pixels).save(folder / "images" / f"{number}.jpg")
        lines.append(f"{number}.jpg {label}")
    (folder / "list.txt").write_text("\n".join(lines) + "\n")
    (folder / "simclr.py").write_text(BASE + SIMCLR)
    (folder / "classifier.py").write_text(BASE + CLASSIFIER)
    return folder


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder with ``images/``, ``list.txt``, ``simclr.py`` and ``classifier.py``."""
    return make_place(tmp_path)
