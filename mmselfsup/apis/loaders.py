"""The data loaders of a config, for training, validation and testing."""

from collections.abc import Iterator, Sequence
from typing import Any

from mmcv import Config

from mmselfsup.datasets import build_dataloader
from mmselfsup.datasets.device.loader import batched_pipelines_of
from mmselfsup.utils import dist
from mmselfsup.utils.errors import UserError

# The keys of ``data`` that are not arguments of a loader.
_DATASETS = ("train", "val", "test")
_LOADERS = tuple(f"{part}_dataloader" for part in _DATASETS)


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
            ranks = dist.get_world_size() if distributed else 1
            raise UserError(
                f"{len(dataset)} images don't fill one batch of {size} on {ranks} process(es): "
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
