"""The loader that turns a dataset into batches, and the loaders of a config."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import torch
from mmcv import Config
from mmcv.parallel import DataContainer
from mmcv.parallel import collate as container_collate
from torch.utils.data import DataLoader, default_collate

from mmselfsup.utils import dist as _dist  # build_dataloader has an argument ``dist``
from mmselfsup.utils.device import default_device
from mmselfsup.utils.errors import ArgumentError, UserError
from mmselfsup.utils.plurals import counted
from mmselfsup.utils.signals import are_handled

from .batched.deferred import Deferred, join
from .batched.loader import AugmentingLoader, batched_pipelines_of
from .pipelines.formatting import check_statistics
from .samplers import build_sampler
from .seeding import SeededDataset, worker_init_fn
from .utils import PrefetchLoader

NICE_BESIDE_THE_MODEL = 10  # on a CPU: the workers yield their cores to the model
# The keys of ``data`` that are not arguments of a loader.
_DATASETS = ("train", "val", "test", "extract")
_LOADERS = tuple(f"{part}_dataloader" for part in _DATASETS)


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
    batched_pipelines = batched_pipelines_of(dataset)
    if prefetch:
        _check_prefetch(img_norm_cfg, batched_pipelines)
    ranks, rank = (_dist.get_world_size(), _dist.get_rank()) if dist else (1, 0)
    if not dist:
        batch_size, workers_per_gpu = batch_size * num_gpus, workers_per_gpu * num_gpus
    seed = torch.initial_seed() % 2**31 if seed is None else seed
    on_cpu = default_device().type == "cpu"
    index_sampler = build_sampler(
        sampler, dataset, ranks, rank, shuffle=shuffle, replace=replace, seed=seed
    )
    if "drop_last" in kwargs:  # torch refuses 1
        kwargs["drop_last"] = bool(kwargs["drop_last"])
    kwargs.setdefault("collate_fn", partial(collate, samples_per_gpu=batch_size))
    loader: Any = DataLoader(
        SeededDataset(dataset),  # applies the seeds that the sampler's indices carry
        batch_size=batch_size,
        sampler=index_sampler,
        num_workers=workers_per_gpu,
        pin_memory=pin_memory and not on_cpu,
        persistent_workers=persistent_workers and workers_per_gpu > 0,
        worker_init_fn=_worker_init(workers_per_gpu, rank, index_sampler.seed, on_cpu),
        # an own generator: by default the loader takes a number from that of the model
        generator=torch.Generator().manual_seed(index_sampler.seed),
        **kwargs,
    )
    if batched_pipelines is not None:
        return AugmentingLoader(loader, batched_pipelines)
    if not prefetch or img_norm_cfg is None:
        return loader
    return PrefetchLoader(loader, img_norm_cfg["mean"], img_norm_cfg["std"])


def collate(batch: list[Any], samples_per_gpu: int = 1) -> Any:
    """Return samples stacked to a batch, by mmcv's function for samples with ``DataContainer``."""
    first = batch[0]
    if isinstance(first, Mapping) and any(isinstance(v, DataContainer) for v in first.values()):
        return container_collate(batch, samples_per_gpu)
    if isinstance(first, Mapping) and isinstance(first.get("img"), Deferred):
        rest = [{key: value for key, value in one.items() if key != "img"} for one in batch]
        return {"img": join([one["img"] for one in batch]), **default_collate(rest)}
    return default_collate(batch)


def loader_args(cfg: Config, part: str, distributed: bool) -> dict[str, Any]:
    """Return the arguments for ``build_dataloader``.

    General settings come from ``cfg.data`` and the top level of the config; those in
    ``cfg.data.<part>_dataloader`` take precedence.

    Args:
        cfg: The config.
        part: One of ``'train'``, ``'val'`` and ``'test'``.
        distributed: Whether each rank loads a part of the data set.
    """
    own = {k: v for k, v in cfg.data.items() if k not in (*_DATASETS, *_LOADERS)}
    args: dict[str, Any] = {
        "num_gpus": 1,
        "dist": distributed,
        "seed": cfg.get("seed"),
        "replace": own.pop("sampling_replace", False),
        "persistent_workers": cfg.get("persistent_workers", True),
    }
    if cfg.get("prefetch"):
        args.update(prefetch=True, img_norm_cfg=cfg.get("img_norm_cfg"))
    args.update(own)
    if part != "train":
        args.pop("sampler", None)
        args.update(shuffle=False, drop_last=False, replace=False)
    args.update(cfg.data.get(f"{part}_dataloader", {}))
    return args


def build_train_loaders(datasets: Sequence[Any], cfg: Config, distributed: bool) -> list[Any]:
    """Return one training loader for each data set, in the order of the workflow.

    Raises:
        UserError: A data set gives no batch.
    """
    args = loader_args(cfg, "train", distributed)
    loaders = [build_dataloader(dataset, **args) for dataset in datasets]
    for dataset, loader in zip(datasets, loaders, strict=True):
        if len(loader) == 0:
            size = args.get("samples_per_gpu", args.get("imgs_per_gpu"))
            ranks = _dist.get_world_size() if distributed else 1
            raise UserError(
                f"{counted(len(dataset), 'image')} can't fill one batch of {size} on "
                f"{counted(ranks, 'process')}: "
                "lower data.samples_per_gpu or set data.drop_last=False"
            )
    return loaders


def build_eval_loader(dataset: Any, cfg: Config, part: str, distributed: bool) -> Any:
    """Return a loader that keeps the order of the images and omits or replaces none of them.

    Raises:
        UserError: The config sets it to omit the last images, to replace images that can't be read,
            or to draw random views on the device.
    """
    args = loader_args(cfg, part, distributed)
    if args.get("drop_last"):
        raise UserError(
            f"data.{part}_dataloader.drop_last=True would leave the last images unmeasured: take "
            "it out (data.drop_last=True is about training only)"
        )
    if any(getattr(source, "on_error", "") == "skip" for source in data_sources(dataset)):
        raise UserError(
            f"data.{part}: on_error='skip' would measure another image in the place of one that "
            "can't be read; take it out here (it is for training), and the image off the list"
        )
    if batched_pipelines_of(dataset) is not None:
        raise UserError(
            f"data.{part}: device_transforms=True is for training, whose views are drawn at random;"
            " take it out here, an evaluation has one way to see an image"
        )
    return build_dataloader(dataset, **args)


def data_sources(dataset: Any) -> Iterator[Any]:
    """Yield the data sources of a data set, through wrappers such as ``ConcatDataset``."""
    if hasattr(dataset, "data_source"):
        yield dataset.data_source
    inner = getattr(dataset, "dataset", None)
    for part in getattr(dataset, "datasets", [] if inner is None else [inner]):
        yield from data_sources(part)


def _check_prefetch(img_norm_cfg: Any, batched_pipelines: Any) -> None:
    """Check that the loader can normalise the images, and has nothing else to do on the device."""
    if img_norm_cfg is None:
        raise ArgumentError("prefetch=True needs img_norm_cfg=dict(mean=..., std=...)")
    check_statistics(img_norm_cfg["mean"], img_norm_cfg["std"])
    if batched_pipelines is not None:
        raise ArgumentError(
            "prefetch and device_transforms both send bytes to the device: take prefetch out, and "
            "end the pipelines with ToTensor and Normalize"
        )


def _worker_init(num_workers: int, rank: int, seed: int, on_cpu: bool) -> Callable[[int], None]:
    """Return the function that each worker calls with its number when it starts."""
    nice = NICE_BESIDE_THE_MODEL if on_cpu else 0
    return partial(
        worker_init_fn,
        num_workers=num_workers,
        rank=rank,
        seed=seed,
        nice=nice,
        shielded=are_handled(),
    )


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
