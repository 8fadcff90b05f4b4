"""The registries of the data side, and the functions that build from a config."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from mmcv.utils import Registry, build_from_cfg

from .loader import build_dataloader
from .seeding import worker_init_fn

DATASOURCES = Registry("datasource")
DATASETS = Registry("dataset")
PIPELINES = Registry("pipeline")

Config = dict[str, Any]


def build_datasource(cfg: Config, default_args: Config | None = None) -> Any:
    """Return a data source built from its config."""
    return build_from_cfg(cfg, DATASOURCES, default_args)


def build_pipeline(cfgs: Sequence[Config]) -> Callable[[Any], Any]:
    """Return the transforms of a pipeline, built from their configs and chained."""
    from .pipelines.chain import Chain  # the pipelines import this module for its registries

    return Chain([build_from_cfg(cfg, PIPELINES) for cfg in cfgs])


def build_dataset(cfg: Config | Sequence[Config], default_args: Config | None = None) -> Any:
    """Return a dataset built from its config.

    Args:
        cfg: Config of a dataset; a list of configs gives a ``ConcatDataset``; in a
            ``RepeatDataset`` the inner ``dataset`` is a config too.
        default_args: Defaults of arguments that ``cfg`` does not set.
    """
    from .dataset_wrappers import ConcatDataset, RepeatDataset

    if isinstance(cfg, (list, tuple)):
        return ConcatDataset([build_dataset(one, default_args) for one in cfg])
    assert isinstance(cfg, Mapping)
    if cfg["type"] == "RepeatDataset":
        return RepeatDataset(build_dataset(cfg["dataset"], default_args), cfg["times"])
    return build_from_cfg(cfg, DATASETS, default_args)


__all__ = [
    "DATASETS",
    "DATASOURCES",
    "PIPELINES",
    "build_dataloader",
    "build_dataset",
    "build_datasource",
    "build_pipeline",
    "worker_init_fn",
]
