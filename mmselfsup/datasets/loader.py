"""The loader that turns a dataset into batches."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import torch
from mmcv.parallel import DataContainer
from mmcv.parallel import collate as container_collate
from torch.utils.data import DataLoader, default_collate

from mmselfsup.utils import dist as _dist
from mmselfsup.utils.device import default_device
from mmselfsup.utils.errors import ArgumentError

from .device.collate import Deferred, join
from .device.loader import AugmentingLoader, batched_pipelines_of
from .samplers import build_sampler
from .seeding import SeededDataset, worker_init_fn
from .utils import PrefetchLoader

NICE_BESIDE_THE_MODEL = 10  # on a CPU: the workers yield their cores to the model


def build_dataloader(
    dataset: Any,
    imgs_per_gpu: int | None = None,
    samples_per_gpu: int | None = None,
    workers_per_gpu: int = 1,
    num_gpus: int = 1,
    dist: bool = True,
    shuffle: bool = True,
    replace: bool = False,
    seed: int | None = None,
    pin_memory: bool = True,
    persistent_workers: bool = True,
    prefetch: bool = False,
    img_norm_cfg: Mapping[str, Sequence[float]] | None = None,
    sampler: Mapping[str, Any] | None = None,
    **kwargs: Any,
) -> Any:
    """Return the loader of one process, alone or as one of several ranks.

    Its sampler is a ``DistributedSampler``, unless ``sampler`` names another; call its
    ``set_epoch`` (as mmcv's ``DistSamplerSeedHook`` does) to set the next epoch. See
    ``mmselfsup.datasets.seeding`` for the random numbers of the augmentations; ``loader.dataset``
    is the dataset inside a ``SeededDataset``, which passes its attributes on.

    Args:
        dataset: What to load.
        imgs_per_gpu: Old name of ``samples_per_gpu``.
        samples_per_gpu: Batch size of a process.
        workers_per_gpu: Number of worker processes; 0 loads in this process.
        num_gpus: GPUs of a single process: batch size and workers are multiplied by it.
        dist: Whether the ranks split the data; without a process group it has no effect.
        shuffle: Draw a new order every epoch.
        replace: Draw with replacement.
        seed: Seed of order and augmentations, that of rank 0 for all; by default torch's
            initial seed.
        pin_memory: Use page-locked memory; ignored without a GPU.
        persistent_workers: Keep the workers alive between epochs; ignored without workers.
        prefetch: The dataset yields uint8 images, and the loader normalises them on the model's
            device (see ``PrefetchLoader``).
        img_norm_cfg: ``mean`` and ``std`` for ``prefetch``, in 0..1.
        sampler: Another sampler of ``mmselfsup.datasets.samplers`` with its options, such as
            ``dict(type="ClassBalancedSampler", power=0.5)``.
        **kwargs: Further arguments of ``torch.utils.data.DataLoader``, such as ``drop_last``.

    Returns:
        A ``DataLoader``, inside a ``PrefetchLoader``, or an ``AugmentingLoader`` where the
        dataset has ``device_transforms=True``.
    """
    batch_size = _batch_size(samples_per_gpu, imgs_per_gpu)
    if prefetch and img_norm_cfg is None:
        raise ArgumentError("prefetch=True needs img_norm_cfg=dict(mean=..., std=...)")
    batched_pipelines = batched_pipelines_of(dataset)
    if prefetch and batched_pipelines is not None:
        raise ArgumentError(
            "prefetch and device_transforms both send bytes to the device: take prefetch out, and "
            "end the pipelines with ToTensor and Normalize"
        )
    ranks, rank = (_dist.get_world_size(), _dist.get_rank()) if dist else (1, 0)
    if not dist:
        batch_size, workers_per_gpu = batch_size * num_gpus, workers_per_gpu * num_gpus
    seed = torch.initial_seed() % 2**31 if seed is None else seed
    on_cpu = default_device().type == "cpu"
    index_sampler = build_sampler(
        sampler, dataset, ranks, rank, shuffle=shuffle, replace=replace, seed=seed
    )
    kwargs.setdefault("collate_fn", partial(collate, samples_per_gpu=batch_size))
    loader: Any = DataLoader(
        SeededDataset(dataset),  # applies the seeds that the sampler's indices carry
        batch_size=batch_size,
        sampler=index_sampler,
        num_workers=workers_per_gpu,
        pin_memory=pin_memory and not on_cpu,
        persistent_workers=persistent_workers and workers_per_gpu > 0,
        worker_init_fn=partial(
            worker_init_fn,
            num_workers=workers_per_gpu,
            rank=rank,
            seed=index_sampler.seed,
            nice=NICE_BESIDE_THE_MODEL if on_cpu else 0,
        ),
        # an own generator: by default the loader takes a number from that of the model
        generator=torch.Generator().manual_seed(index_sampler.seed),
        **kwargs,
    )
    if batched_pipelines is not None:
        return AugmentingLoader(loader, batched_pipelines)
    if not prefetch or img_norm_cfg is None:
        return loader
    return PrefetchLoader(loader, img_norm_cfg["mean"], img_norm_cfg["std"])


def _batch_size(samples_per_gpu: int | None, imgs_per_gpu: int | None) -> int:
    """Return the batch size that was given under one of its two names."""
    if samples_per_gpu is not None and imgs_per_gpu is not None:
        warnings.warn(
            "samples_per_gpu and imgs_per_gpu are both given: the first counts", stacklevel=3
        )
    size = imgs_per_gpu if samples_per_gpu is None else samples_per_gpu
    if size is None or size < 1:
        raise ArgumentError(f"samples_per_gpu must be 1 or more, got {size}")
    return size


def collate(batch: list[Any], samples_per_gpu: int = 1) -> Any:
    """Return samples stacked to a batch, by mmcv's function for samples with ``DataContainer``."""
    first = batch[0]
    if isinstance(first, Mapping) and any(isinstance(v, DataContainer) for v in first.values()):
        return container_collate(batch, samples_per_gpu)
    if isinstance(first, Mapping) and isinstance(first.get("img"), Deferred):
        rest = [{key: value for key, value in one.items() if key != "img"} for one in batch]
        return {"img": join([one["img"] for one in batch]), **default_collate(rest)}
    return default_collate(batch)
