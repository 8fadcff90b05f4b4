"""Weights and configs that a command line on frozen features names."""

from argparse import Namespace
from collections.abc import Iterable, Mapping
from typing import Any

from mmcv import Config

from mmselfsup.config.load import load_config
from mmselfsup.utils.errors import UserError


def split_options(options: Iterable[str], data_cfg: Config) -> tuple[list[str], list[str]]:
    """Split ``--cfg-options`` between the two configs.

    A key whose first part is in the data set config (``data``, ``img_norm_cfg``) belongs to it,
    any other to the model's. In ``data.*.KEY`` the star means every data set of the config.

    Args:
        options: Overrides ``KEY=VALUE``.
        data_cfg: The data set config.

    Returns:
        The options of the model's config and those of the data sets'.
    """
    model, data = [], []
    parts = [part for part in ("train", "val", "test") if (data_cfg.get("data") or {}).get(part)]
    for option in options:
        key = option.partition("=")[0]
        if key.startswith("data.*."):
            data += [option.replace("*", part, 1) for part in parts]
        elif key.split(".")[0] in data_cfg:
            data.append(option)
        else:
            model.append(option)
    return model, data


def wanted_checkpoint(args: Namespace) -> str | None:
    """Return the file of the weights; None for those that the config initialises."""
    if args.checkpoint in (None, "none", "None", "random"):
        args.random = args.random or args.checkpoint is not None
        return None
    if args.random:
        raise UserError("--random and --checkpoint contradict each other: leave one out")
    return str(args.checkpoint)


def read_configs(args: Namespace) -> tuple[Config, Config]:
    """Return the config of the model and that of the data sets, with their overrides."""
    data_cfg = load_config(args.dataset_config)
    model_options, data_options = split_options(args.cfg_options, data_cfg)
    return (
        load_config(args.config, model_options),
        load_config(args.dataset_config, data_options),
    )


def is_pretrained(cfg: Any) -> bool:
    """Return whether a part of the model names a file of weights."""
    if isinstance(cfg, Mapping):
        return cfg.get("type") == "Pretrained" or any(map(is_pretrained, cfg.values()))
    return isinstance(cfg, list | tuple) and any(map(is_pretrained, cfg))
