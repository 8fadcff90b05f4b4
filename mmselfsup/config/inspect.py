"""What a config says: its data sets, lists of classes, length of the training, digest."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from mmselfsup.utils.errors import UserError

if TYPE_CHECKING:
    from mmcv import Config


def config_digest(cfg: Config) -> str:
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
    return f"{find_dataset(cfg, part)[0]}.data_source"


def find_dataset(cfg: Config, part: str) -> tuple[str, Any]:
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


def class_list(cfg: Config, part: str = "test") -> list[str] | None:
    """Return the names of the classes of a data set, if the config has them."""
    classes = _data_source(cfg, part).get("classes")
    return list(classes) if isinstance(classes, (list, tuple)) else None


def _data_source(cfg: Config, part: str) -> Any:
    """Return the data source of a data set."""
    return find_dataset(cfg, part)[1]["data_source"]


def max_epochs(cfg: Config) -> int:
    """Return the epochs of a training.

    Raises:
        UserError: The config counts iterations.
    """
    epochs = cfg.get("runner", {}).get("max_epochs")
    if not isinstance(epochs, int):
        raise UserError(f"{cfg.filename}: the study needs runner.max_epochs")
    return epochs


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
