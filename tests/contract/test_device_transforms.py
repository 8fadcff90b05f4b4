"""Which of the configs can take ``device_transforms=True``, and that a GPU then waits for nothing.

No GPU is needed; see ``fake_gpu``.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from fake_gpu import fake_gpu
from mmcv import Config
from torch.utils._pytree import tree_leaves

from mmselfsup.datasets.batched.deferred import defer, join
from mmselfsup.datasets.batched.pipeline import build_batched_pipelines
from mmselfsup.datasets.pipelines.compose import build_pipeline

ROOT = Path(__file__).parents[2]
TAKERS = ("MultiViewDataset", "SingleViewDataset", "DeepClusterDataset")
CONFIGS = [
    str(path.relative_to(ROOT))
    for folder in ("configs/selfsup", "configs/benchmarks/classification/isic2019")
    for path in sorted((ROOT / folder).rglob("*isic2019*.py"))
    # CAE: one crop becomes two images of different sizes. VICRegL: a crop comes with its place.
    # Lesion views: where a crop may be depends on the pixels.
    if not {"_base_", "cae", "vicregl"} & set(path.parts) and "lesion-views" not in path.stem
]


def pipelines(file: str) -> tuple[str, list[Any]]:
    """Type and pipelines of the training set."""
    train = Config.fromfile(str(ROOT / file)).data.train
    while "dataset" in train:
        train = train.dataset
    chains = train.get("pipelines") or [train.pipeline]
    return train.type, [build_pipeline(chain) for chain in chains]


@pytest.mark.parametrize("file", CONFIGS)
def test_every_data_set_with_device_transforms_can_be_batched(file: str) -> None:
    kind, chains = pipelines(file)
    if kind in TAKERS:
        assert len(build_batched_pipelines(chains)) == len(chains)


def test_the_pre_trainings_are_among_them() -> None:
    kinds = [pipelines(file)[0] for file in CONFIGS if "selfsup" in file]
    assert sum(kind in TAKERS for kind in kinds) >= 15


@pytest.mark.parametrize("file", CONFIGS)
def test_views_are_made_on_a_gpu_without_waits(file: str) -> None:
    kind, chains = pipelines(file)
    if kind not in TAKERS:
        pytest.skip(f"{kind} has no device_transforms")
    batched = build_batched_pipelines(chains)
    rng = np.random.default_rng(0)
    sizes = [(60, 80), (80, 60), (90, 90)] * 4  # a block for each, and a choice for every transform
    images = [rng.integers(0, 256, (*size, 3), dtype=np.uint8) for size in sizes]
    batch = join([defer([image] * len(batched), batched) for image in images])
    with fake_gpu():
        views = batch.views(batched, torch.device("cuda"))
    assert {x.device.type for x in tree_leaves(views)} == {"cuda"}
    assert all(len(x) == len(images) for x in tree_leaves(views))
