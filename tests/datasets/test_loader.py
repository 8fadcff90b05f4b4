"""Loaders: batches, arguments, and the one that normalises."""

from __future__ import annotations

import os
import pickle
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mmcv.parallel import DataContainer

from mmselfsup.datasets import build_dataloader, build_dataset
from mmselfsup.datasets.builder import worker_init_fn
from mmselfsup.datasets.seeding import SampleIndex, SeededDataset
from mmselfsup.utils.errors import ArgumentError

NORM = dict(mean=[0.485, 0.456, 0.406], std=[0.229, 0.224, 0.225])
AUGMENT = [
    dict(type="RandomResizedCrop", size=16),
    dict(type="RandomHorizontalFlip"),
    dict(type="GaussianBlur", sigma_min=0.1, sigma_max=2.0),
]
FINISH = [dict(type="ToTensor"), dict(type="Normalize", **NORM)]


class Draws(torch.utils.data.Dataset):
    """Yields what each source of random numbers draws."""

    def __len__(self) -> int:
        return 13

    def __getitem__(self, idx: int) -> dict[str, Any]:
        assert type(idx) is int
        drawn = [torch.rand(()).item(), random.random(), np.random.rand()]
        return dict(idx=idx, drawn=torch.tensor(drawn, dtype=torch.float64))

    def evaluate(self, x: int) -> int:
        return x + 1


def loader(dataset: Any = None, **kwargs: Any) -> Any:
    options = dict(samples_per_gpu=4, workers_per_gpu=0, seed=5) | kwargs
    return build_dataloader(Draws() if dataset is None else dataset, **options)


def epoch(data_loader: Any, number: int | None = None) -> list[Any]:
    if number is not None:
        data_loader.sampler.set_epoch(number)
    batches = list(data_loader)
    index = torch.cat([batch["idx"] for batch in batches])
    drawn = torch.cat([batch["drawn"] for batch in batches])
    return [index.tolist(), drawn.tolist()]


def test_the_dataset_shows_through() -> None:
    data_loader = loader()
    assert data_loader.dataset.evaluate(1) == 2
    assert len(data_loader.dataset) == 13
    assert not hasattr(data_loader.dataset, "nothing")
    dataset = SeededDataset(Draws())
    torch.manual_seed(1)
    plain = dataset[3]["drawn"]
    assert not torch.equal(dataset[3]["drawn"], plain)  # a plain integer: the process's numbers
    assert torch.equal(dataset[SampleIndex(3, 7)]["drawn"], dataset[SampleIndex(3, 7)]["drawn"])


def test_batch_sizes_and_arguments() -> None:
    assert [len(b["idx"]) for b in loader(drop_last=True)] == [4, 4, 4]
    assert [len(b["idx"]) for b in loader(shuffle=False)] == [4, 4, 4, 1]
    assert epoch(loader(shuffle=False))[0] == list(range(13))
    old = build_dataloader(Draws(), imgs_per_gpu=5, workers_per_gpu=0)
    assert old.batch_size == 5
    with pytest.warns(UserWarning, match="the first counts"):
        assert loader(imgs_per_gpu=5).batch_size == 4
    assert loader(dist=False, num_gpus=2).batch_size == 8
    for size in (None, 0):
        with pytest.raises(ValueError, match="samples_per_gpu must be 1 or more"):
            build_dataloader(Draws(), samples_per_gpu=size)
    with pytest.raises(ValueError, match="img_norm_cfg"):
        loader(prefetch=True)


def test_worker_init_fn() -> None:
    import cv2

    def draw(*args: int) -> tuple[float, ...]:
        worker_init_fn(*args)
        return torch.rand(()).item(), random.random(), np.random.rand()

    threads = cv2.getNumThreads()
    try:
        assert draw(1, 4, 2, 0) == draw(1, 4, 2, 0)
        assert draw(1, 4, 2, 0) != draw(0, 4, 2, 0)
        assert draw(1, 4, 2, 0) != draw(1, 4, 1, 0)
    finally:
        cv2.setNumThreads(threads)


class Niceness(Draws):
    def __getitem__(self, idx: int) -> dict[str, Any]:
        return dict(idx=idx, nice=os.nice(0))


@pytest.mark.parametrize(("device", "added"), [("cpu", 10), ("cuda", 0)])
def test_workers_yield_to_a_model_on_the_same_cores(
    device: str, added: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mmselfsup.datasets.loader.default_device", lambda: torch.device(device))
    batch = next(iter(loader(Niceness(), workers_per_gpu=1, pin_memory=False)))
    assert set(batch["nice"].tolist()) == {min(os.nice(0) + added, 19)}
    assert os.nice(0) == next(iter(loader(Niceness())))["nice"][0]  # never this process itself


class Contained(Draws):
    def __getitem__(self, idx: int) -> dict[str, Any]:
        return dict(img=DataContainer(torch.full((3, 2, 2), float(idx)), stack=True), idx=idx)


def test_data_containers_of_mmcv() -> None:
    batch = next(iter(loader(Contained(), shuffle=False)))
    assert isinstance(batch["img"], DataContainer)
    assert batch["img"].data[0].shape == (4, 3, 2, 2)


def test_real_augmentation_is_reproducible(image_folder: Path) -> None:
    dataset = build_dataset(
        dict(
            type="MultiViewDataset",
            data_source=dict(type="ImageList", data_prefix=str(image_folder)),
            num_views=[2],
            pipelines=[AUGMENT + FINISH],
        )
    )
    first = [b["img"] for b in loader(dataset, workers_per_gpu=2)]
    again = [b["img"] for b in loader(dataset)]
    for batch, same in zip(first, again, strict=True):
        assert all(torch.equal(view, other) for view, other in zip(batch, same, strict=True))
        assert not torch.equal(batch[0], batch[1])


def test_all_that_goes_to_a_worker_can_be_pickled(image_folder: Path) -> None:
    """Workers that are no forks (spawn, and forkserver, Python 3.14's default) get it so."""
    source = dict(type="ImageList", data_prefix=str(image_folder))
    views = dict(type="MultiViewDataset", data_source=source, num_views=[2])
    made = loader(build_dataset(views | dict(pipelines=[AUGMENT + FINISH])), workers_per_gpu=1)
    parts = (made.dataset, made.collate_fn, made.worker_init_fn, made.generator)
    dataset, collate, init, _ = pickle.loads(pickle.dumps(parts))
    assert callable(init)
    made.sampler.set_epoch(0)
    batch = collate([dataset[index] for index in list(made.sampler)[:4]])
    made.sampler.set_epoch(0)
    for view, other in zip(batch["img"], next(iter(made))["img"], strict=True):
        assert torch.equal(view, other)


@pytest.mark.parametrize("views", [0, 2])
def test_prefetch_is_the_same_as_normalising_in_the_pipeline(
    image_folder: Path, views: int
) -> None:
    def build(prefetch: bool) -> Any:
        cfg: dict[str, Any] = dict(
            data_source=dict(type="ImageList", data_prefix=str(image_folder)), prefetch=prefetch
        )
        pipeline = AUGMENT + ([] if prefetch else FINISH)
        if views:
            cfg |= dict(type="MultiViewDataset", num_views=[views], pipelines=[pipeline])
        else:
            cfg |= dict(type="SingleViewDataset", pipeline=pipeline)
        return loader(build_dataset(cfg), prefetch=prefetch, img_norm_cfg=NORM)

    fast, slow = build(True), build(False)
    assert len(fast) == len(slow)
    assert len(fast.dataset) == 12  # it has the interface of the loader inside
    for quick, plain in zip(fast, slow, strict=True):
        assert quick.keys() == plain.keys()
        torch.testing.assert_close(quick["idx"].cpu(), plain["idx"])
        pairs = [(quick["img"], plain["img"])]
        pairs = list(zip(*pairs[0], strict=True)) if views else pairs
        for mine, theirs in pairs:
            torch.testing.assert_close(mine.cpu(), theirs, atol=1e-5, rtol=1e-5)


def test_prefetch_refuses_what_is_no_bytes(image_folder: Path) -> None:
    """Values in 0..1, normalised as bytes, are nearly constant: no error would follow."""
    source = dict(type="ImageList", data_prefix=str(image_folder))
    steps = [*AUGMENT, dict(type="ToTensor")]  # without Normalize, and prefetch not in the data set
    single = dict(type="SingleViewDataset", data_source=source, pipeline=steps)
    views = dict(type="MultiViewDataset", data_source=source, num_views=[2], pipelines=[steps])
    for cfg in (single, views):
        batches = loader(build_dataset(cfg), prefetch=True, img_norm_cfg=NORM)
        with pytest.raises(ArgumentError, match=r"float32: set prefetch=True in the data set"):
            next(iter(batches))
