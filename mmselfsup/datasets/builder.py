"""The registries of the data side, and the functions that build from a config."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mmcv.utils import build_from_cfg

from .loader import build_dataloader
from .pipelines.compose import build_pipeline
from .registry import DATASETS, DATASOURCES, PIPELINES, Config, build_datasource
from .seeding import worker_init_fn

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


def build_dataset(cfg: Config | Sequence[Config], default_args: Config | None = None) -> Any:
    """Return a dataset built from its config.

    Args:
        cfg: Config of a dataset; a list of configs gives a ``ConcatDataset``; in a
            ``RepeatDataset`` the inner ``dataset`` is a config too.
        default_args: Defaults of arguments that ``cfg`` does not set.
    """
    # The wrappers register their classes: importing this file alone registers none.
    from .dataset_wrappers import ConcatDataset, RepeatDataset

    if isinstance(cfg, (list, tuple)):
        return ConcatDataset([build_dataset(one, default_args) for one in cfg])
    assert isinstance(cfg, Mapping)
    if cfg["type"] == "RepeatDataset":
        return RepeatDataset(build_dataset(cfg["dataset"], default_args), cfg["times"])
    return build_from_cfg(cfg, DATASETS, default_args)
