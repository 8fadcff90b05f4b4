"""What the study must know about a config, for any method."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmselfsup.utils.errors import UserError

if TYPE_CHECKING:
    from mmcv import Config


def load(path: Path, options: Sequence[str] = ()) -> Config:
    """Read a config as ``tools/train.py`` does, overrides included.

    Raises:
        UserError: It does not exist, can't be read, or has an unknown key.
    """
    from mmselfsup.apis.config import load_config  # loads torch

    return load_config(str(path), list(options))


def digest(cfg: Config) -> str:
    """Return a short hash of everything a config says, its bases included."""
    # Not of the file: a base config may change while the file does not.
    text = json.dumps(cfg._cfg_dict.to_dict(), sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def data_source_key(cfg: Config, part: str) -> str:
    """Find the data source of a data set, through wrappers such as ``RepeatDataset``.

    Args:
        cfg: The config.
        part: ``train``, ``val`` or ``test``.

    Returns:
        The dotted key, such as ``data.train.data_source``.

    Raises:
        UserError: There is none, or more than one.
    """
    return f"{dataset(cfg, part)[0]}.data_source"


def dataset(cfg: Config, part: str) -> tuple[str, Any]:
    """Find the data set that has the data source; arguments and errors as ``data_source_key``.

    Returns:
        Its dotted key, such as ``data.train``, and its config.
    """
    key, node = f"data.{part}", cfg.get("data", {}).get(part)
    while isinstance(node, dict) and "data_source" not in node:
        key, node = f"{key}.dataset", node.get("dataset")
    if not isinstance(node, dict):
        raise UserError(f"{cfg.filename}: the study needs one data source under data.{part}")
    return key, node


def data_options(
    cfg: Config, images: Path, lists: dict[str, Path], metadata: Path | None = None
) -> list[str]:
    """Return the overrides that point data sets to images and lists (part -> list).

    A data source that reads the patients of its images reads them from ``metadata``.
    """
    options = []
    for part, path in lists.items():
        key = data_source_key(cfg, part)
        options += [f"{key}.data_prefix={quoted(images)}", f"{key}.ann_file={quoted(path)}"]
        if metadata is not None and _data_source(cfg, part).get("patients") is not None:
            options.append(f"{key}.patients={quoted(metadata)}")
    return options


def metadata_options(cfg: Config, part: str, metadata: Path) -> list[str]:
    """Return the override that sets the lesions of a data source, if it takes and lacks them."""
    source = _data_source(cfg, part)
    # Other data sources may not know the argument; one that is set is the user's choice.
    if source.get("type") != "ImageList" or "metadata" in source:
        return []
    return [f"{data_source_key(cfg, part)}.metadata={quoted(metadata)}"]


def quoted(path: Path) -> str:
    """Quote a path so that ``--cfg-options`` takes it as one string, blanks and commas included."""
    text = str(path)
    return repr(text) if re.search(r"[\s,()\[\]{}'\"]", text) else text


def class_list(cfg: Config, part: str = "test") -> list[str] | None:
    """Return the names of the classes of a data set, if the config has them."""
    classes = _data_source(cfg, part).get("classes")
    return list(classes) if isinstance(classes, (list, tuple)) else None


def _data_source(cfg: Config, part: str) -> Any:
    """Return the data source of a data set."""
    return dataset(cfg, part)[1]["data_source"]


def max_epochs(cfg: Config) -> int:
    """Return the epochs of a training.

    Raises:
        UserError: The config counts iterations.
    """
    epochs = cfg.get("runner", {}).get("max_epochs")
    if not isinstance(epochs, int):
        raise UserError(f"{cfg.filename}: the study needs runner.max_epochs")
    return epochs


def check_scratch(cfg: Config) -> None:
    """Check that a classifier config starts from random weights.

    Raises:
        UserError: It loads weights, so nothing would be trained from scratch.
    """
    init = cfg.get("model", {}).get("backbone", {}).get("init_cfg")
    kinds = [item.get("type") for item in (init if isinstance(init, list) else [init or {}])]
    if cfg.get("load_from") or cfg.get("resume_from") or "Pretrained" in kinds:
        raise UserError(
            f"FINETUNE_CONFIG={cfg.filename} loads weights by itself; the comparison with "
            "training from scratch needs one that doesn't"
        )


def has_key(cfg: Config, key: str) -> bool:
    """Return whether a config has a dotted key."""
    node: Any = cfg._cfg_dict
    for name in key.split("."):
        if isinstance(node, (list, tuple)) and name.isdigit() and int(name) < len(node):
            node = node[int(name)]
        elif isinstance(node, dict) and name in node:
            node = node[name]
        else:
            return False
    return True


def share_options(options: Sequence[str], cfgs: Sequence[Config]) -> list[list[str]]:
    """Distribute overrides ``key=value`` among configs.

    A key that only some of the configs have goes to those; a key that none has goes to all, where
    an unknown one is an error that names the nearest.

    Returns:
        The overrides of each config.
    """
    distributed: list[list[str]] = [[] for _ in cfgs]
    for option in options:
        owns = [has_key(cfg, option.split("=", 1)[0]) for cfg in cfgs]
        for own, overrides in zip(owns, distributed, strict=True):
            if own or not any(owns):
                overrides.append(option)
    return distributed
