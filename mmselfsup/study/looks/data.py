"""Data set config of the compared images, and what is known of their lesions."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mmcv import Config

from mmselfsup.config.inspect import find_dataset
from mmselfsup.utils.patients import source_of

_LOADER_KEYS = ("samples_per_gpu", "imgs_per_gpu", "workers_per_gpu")


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


def sources_of(dataset: Any) -> list[str] | None:
    """Return the source of each image (HAM, BCN, MSK, none); None where no lesion is known."""
    lesions = getattr(dataset.data_source, "lesions", None)
    return None if lesions is None else [source_of(lesion) for lesion in lesions]


def shared_lesions(first: Sequence[str] | None, second: Sequence[str] | None) -> int | None:
    """Return the number of lesions that have images in both lists.

    Args:
        first: Lesion of each image of a list, ``''`` where it has none; None if unknown.
        second: The same of the other list.

    Returns:
        The number; None if the lesions of a list aren't known.
    """
    if first is None or second is None:
        return None
    return len((set(first) & set(second)) - {""})
