"""What a config says: its data sets, lists of classes, length of the training, digest."""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmselfsup.utils.errors import UserError
from mmselfsup.utils.stable_text import stable_text

if TYPE_CHECKING:
    from mmcv import Config

# Arguments of backbones that name weights, beside ``init_cfg``.
_WEIGHTS = ("pretrained", "checkpoint_path")
_CLASSIFIER = "Classification"
#: What a loader takes from ``data``, beside the data sets.
_LOADER_KEYS = ("samples_per_gpu", "imgs_per_gpu", "workers_per_gpu")


def config_digest(cfg: Config) -> str:
    """Return a short hash of everything a config says, its bases included."""
    # Not of the file: a base config may change while the file does not.
    text = json.dumps(cfg._cfg_dict.to_dict(), sort_keys=True, default=stable_text)
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


def reads_labels(cfg: Config, node: Mapping[str, Any] | None = None) -> bool:
    """Return whether a training reads the labels of a data set: a classifier, or one on request.

    Args:
        cfg: The config.
        node: The data set that has the data source; None: that of ``data.train``.

    Raises:
        UserError: As ``find_dataset``.
    """
    kind = (cfg.get("model") or {}).get("type", _CLASSIFIER)
    dataset = find_dataset(cfg, "train")[1] if node is None else node
    return kind == _CLASSIFIER or bool(dataset.get("with_label")) or _reads_classes(kind)


def _reads_classes(kind: Any) -> bool:
    """Return whether the class of a model learns the classes of the data: also one of the user."""
    from .registries import resolve  # loads torch

    model = resolve(kind, "model") if isinstance(kind, str) else kind
    return bool(getattr(model, "reads_classes", False))


def class_list(cfg: Config, part: str = "test") -> list[str] | None:
    """Return the names of the classes of a data set, if the config has them."""
    classes = _data_source(cfg, part).get("classes")
    return list(classes) if isinstance(classes, (list, tuple)) else None


def head_classes(cfg: Config) -> list[str] | None:
    """Return the names of the classes that a classifier has outputs for, if the config has them.

    A data source may name more classes than the head has: the first ones are the head's.
    """
    names = class_list(cfg)
    number = ((cfg.get("model") or {}).get("head") or {}).get("num_classes")
    return names[:number] if names is not None and isinstance(number, int) else names


def reads_patients(cfg: Config, part: str = "test") -> bool:
    """Return whether a data source reads age, site and sex of the patients for the head."""
    return _data_source(cfg, part).get("patients") is not None


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


def views_per_image(cfg: Config) -> int:
    """Return how many views of an image the network sees in an epoch, as its dataset says."""
    from .registries import resolve  # loads torch, as reading the config did

    dataset = find_dataset(cfg, "train")[1]
    count = getattr(resolve(dataset["type"], "dataset"), "views_per_image", None)
    return 1 if count is None else int(count(dataset))


def names_weights(model: Any, keys: Sequence[str] = _WEIGHTS) -> bool:
    """Return whether a part of a model's config names weights: ``Pretrained`` or a backbone's own.

    Args:
        model: The config, or a part of it.
        keys: Arguments that name weights, beside ``init_cfg=dict(type='Pretrained', ...)``.
    """
    if isinstance(model, Mapping):
        named = model.get("type") == "Pretrained" or any(model.get(key) for key in keys)
        return named or any(names_weights(part, keys) for part in model.values())
    return isinstance(model, list | tuple) and any(names_weights(part, keys) for part in model)


def transform_steps(part: Any) -> Iterator[Mapping[str, Any]]:
    """Yield the configs of all transforms inside a part of a config, in its order."""
    if isinstance(part, Mapping):
        if isinstance(part.get("type"), str):
            yield part
        for value in part.values():
            yield from transform_steps(value)
    elif isinstance(part, list | tuple):
        for value in part:
            yield from transform_steps(value)


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
    node = find_dataset(cfg, "test")[1]
    lists = {"train": train, "val": test}
    return _with_data(cfg, {p: _listed(node, images, path, metadata) for p, path in lists.items()})


def test_part(cfg: Config) -> str:
    """Return which data set of an evaluation is tested: ``test``, or ``val`` without one."""
    return "test" if cfg.get("data", {}).get("test") is not None else "val"


def images_config(cfg: Config, images: Path, ann_file: Path | None) -> Config:
    """Return all images of a list or a folder as one data set, with a config's test pipeline.

    Args:
        cfg: Config of an evaluation, with ``data.val`` or ``data.test``.
        images: Folder of the images.
        ann_file: List of the images; None for all of the folder, whose sub-folders are classes.

    Returns:
        A config with ``data.test``.
    """
    node = find_dataset(cfg, test_part(cfg))[1]
    if ann_file is not None:
        return _with_data(cfg, {"test": _listed(node, images, ann_file, None)})
    own = copy.deepcopy(node.to_dict())
    classes = any(path.is_dir() and not path.name.startswith(".") for path in images.iterdir())
    kind = "ImageNet" if classes else "ImageList"
    own["data_source"] = {"type": kind, "data_prefix": str(images)}
    return _with_data(cfg, {"test": own})


def _listed(node: Any, images: Path, ann_file: Path, metadata: Path | None) -> dict[str, Any]:
    """Return the config of a data set with the images of another list."""
    own: dict[str, Any] = copy.deepcopy(node.to_dict())
    source = own["data_source"]
    source.update(data_prefix=str(images), ann_file=str(ann_file))
    source.pop("patients", None)  # input of a head; a backbone takes images only
    source.pop("split", None)  # a part of its own list
    if source.get("type") == "ImageList":
        source.pop("metadata", None)
        if metadata is not None:
            source["metadata"] = str(metadata)
    return own


def _with_data(cfg: Config, parts: dict[str, Any]) -> Config:
    """Return a config of these data sets, with the loader settings of another config."""
    from mmcv import Config  # loads torch

    data: dict[str, Any] = {key: cfg.data[key] for key in _LOADER_KEYS if key in cfg.data}
    top = {key: cfg[key] for key in ("img_norm_cfg", "prefetch") if key in cfg}
    return Config({**copy.deepcopy(top), "data": {**data, **parts}})
