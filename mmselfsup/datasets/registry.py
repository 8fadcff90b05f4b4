"""The registries of the data side; a data source is built from one alone."""

from __future__ import annotations

from typing import Any

from mmcv.utils import Registry, build_from_cfg

DATASOURCES = Registry("datasource")
DATASETS = Registry("dataset")
PIPELINES = Registry("pipeline")
Config = dict[str, Any]


def build_datasource(cfg: Config, default_args: Config | None = None) -> Any:
    """Return a data source built from its config."""
    return build_from_cfg(cfg, DATASOURCES, default_args)
