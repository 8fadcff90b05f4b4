"""What a config says: its data sets, lists of classes, length of the training, digest."""

from __future__ import annotations

import copy
import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmselfsup.utils.errors import UserError

if TYPE_CHECKING:
    from mmcv import Config

#: What a loader takes from ``data``, beside the data sets.
_LOADER_KEYS = ("samples_per_gpu", "imgs_per_gpu", "workers_per_gpu")


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
        raise UserError(f"{cfg.filename}: it needs one data source under data.{part}")
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


def comparison_config(
    cfg: Config, images: Path, train: Path, test: Path, metadata: Path | None
) -> Config:
    """Return both lists as data sets with the test pipeline of a classifier's config.

    Args:
        cfg: Config of the classifier.
        images: Folder of the images.
        train: List of the images that neighbours come from.
        test: List of the images to compare.
        metadata: CSV of the lesions, if there is one.

    Returns:
        A config with ``data.train`` and ``data.val`` as ``labelled_datasets`` wants them.
    """
    from mmcv import Config  # loads torch

    node = find_dataset(cfg, "test")[1]
    data: dict[str, Any] = {key: cfg.data[key] for key in _LOADER_KEYS if key in cfg.data}
    for part, path in (("train", train), ("val", test)):
        own = copy.deepcopy(node.to_dict())
        source = own["data_source"]
        source.update(data_prefix=str(images), ann_file=str(path))
        source.pop("patients", None)  # input of a head; a backbone takes images only
        if source.get("type") == "ImageList":
            source.pop("metadata", None)
            if metadata is not None:
                source["metadata"] = str(metadata)
        data[part] = own
    top = {key: cfg[key] for key in ("img_norm_cfg", "prefetch") if key in cfg}
    return Config({**copy.deepcopy(top), "data": data})
