"""Which of the configs can take ``device_transforms=True``."""

from pathlib import Path
from typing import Any

import pytest
from mmcv import Config

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
