"""A user's own images in any config: data sources, and the values that follow from the images.

``own_data`` describes the images once; ``'auto'`` stands for a number of classes, class weights, or
mean and deviation. ``resolve`` replaces both by plain values, before anything is built from the
config: what is written to the work dir and into checkpoints needs neither the description nor the
images.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

from mmcv import Config, ConfigDict

from mmselfsup.core.checkpoint import load_state, meta_of
from mmselfsup.utils import dist
from mmselfsup.utils.errors import UserError

from .auto_values import fill, take_from, wanted_values
from .image_facts import (
    STATISTICS,
    Facts,
    check_first_class,
    check_labelled,
    class_facts,
    class_weights,
    measure,
)
from .inspect import find_dataset, reads_labels
from .sections import OWN_DATA
from .text import read_config_text

__all__ = [
    "STATISTICS",
    "Facts",
    "check_first_class",
    "check_labelled",
    "class_facts",
    "class_weights",
    "config_in",
    "fill",
    "measure",
    "resolve",
    "resolve_for",
    "set_sources",
    "take_from",
]

_FOLDS = 5  # of which one is the validation, where nothing else is said


def resolve(cfg: Config, known: Mapping[str, Any] | None = None, folder: str | None = None) -> None:
    """Put the user's images and all values that follow from them into a config.

    Nothing changes in a config without ``own_data`` and without ``'auto'``. Under a launcher, all
    ranks call it.

    Args:
        cfg: The config, which is changed.
        known: The config of a trained model, whose classes and statistics are taken; None: those
            of ``data.train``.
        folder: The work dir, where measured statistics are kept; None keeps them nowhere.

    Raises:
        UserError: The images are not described, can't be found, or lack labels.
    """
    own = cfg._cfg_dict.pop("own_data", None)
    described = None if own is None else {k: v for k, v in own.items() if v is not None}
    only_statistics = described is not None and set(described) == {"statistics"}
    images = bool(described and (described.get("ann_file") or described.get("data_prefix")))
    if described and images:
        _check_place(cfg, described)
        set_sources(cfg, described)
    wanted = wanted_values(cfg)
    if known is not None:
        take_from(cfg, known, wanted)
        if described is not None and not images and not only_statistics:
            _take_sources(cfg, known)
        return
    if described is not None and not images and not only_statistics:
        raise UserError(
            f"{cfg.filename}: describe your images: own_data.ann_file=LIST (CSV or text) and "
            "own_data.data_prefix=FOLDER, or the folder alone, with one folder for each class"
        )
    if wanted:
        fill(cfg, dist.on_main(lambda: measure(cfg, wanted, described or {}, folder)))


def resolve_for(configs: Sequence[Config], checkpoint: str | None) -> None:
    """Resolve the configs of a tool that reads a checkpoint, or None for a network without one.

    Classes and statistics are those of the checkpoint where its config has them, otherwise those of
    each config's ``data.train``.

    Raises:
        UserError: See ``resolve``; the checkpoint can't be read.
    """
    open_ones = [cfg for cfg in configs if cfg.get("own_data") is not None or wanted_values(cfg)]
    if not open_ones:
        return
    known = {} if checkpoint is None else config_in(load_state(checkpoint, mmap=True))
    has_all = isinstance(known.get("img_norm_cfg"), Mapping)
    for cfg in open_ones:
        resolve(cfg, known if has_all else None)


def config_in(state: Mapping[str, Any]) -> dict[str, Any]:
    """Return the config that a checkpoint holds, as plain values; empty where it holds none."""
    return read_config_text(str(meta_of(state).get("config") or ""))


def _check_place(cfg: Config, own: Mapping[str, Any]) -> None:
    """Check that the folder of the images is named.

    Raises:
        UserError: A list is described without it.
    """
    listed = str(own.get("ann_file") or "")
    if own.get("data_prefix") is None and "type" not in own and not listed.endswith(".npz"):
        raise UserError(
            f"{cfg.filename}: own_data.ann_file={listed} lists images: name their folder by "
            "own_data.data_prefix=FOLDER"
        )


def set_sources(cfg: Config, own: Mapping[str, Any]) -> None:
    """Replace the data sources of a config by the images that ``own_data`` describes.

    Without images of its own, ``val`` is a fold of the training list where ``folds`` is given or
    labels are read, and ``test`` is what ``val`` is. A MedMNIST file has parts of its own, unless
    ``subset`` names the one that is meant.

    Raises:
        UserError: A fold is chosen where there are none.
    """
    shared = {key: value for key, value in own.items() if key not in OWN_DATA}
    if own.get("test") is not None and cfg.data.get("test") is None:
        cfg.data.test = copy.deepcopy(cfg.data.get("val") or cfg.data.train)
    for part in ("train", "val", "test"):
        if cfg.data.get(part) is None:
            continue
        node = find_dataset(cfg, part)[1]
        labelled = reads_labels(cfg, node)
        given = own.get("test") or own.get("val") if part == "test" else own.get(part)
        source = {**shared, **{k: v for k, v in (given or {}).items() if v is not None}}
        source = _typed(source, labelled)
        own_parts = source["type"] == "MedMNIST" and "subset" not in shared
        if own.get("fold") and (own_parts or own.get("val") is not None):
            which = "the parts of a MedMNIST file" if own_parts else "own_data.val"
            raise UserError(
                f"{cfg.filename}: own_data.fold={own['fold']} chooses a validation, and {which} "
                "are one: leave it out"
            )
        if own_parts and given is None:
            node["data_source"] = ConfigDict({"subset": part, **source})
            continue
        folds = own.get("folds") or (_FOLDS if labelled or "fold" in own else None)
        if given is None and own.get("val") is None and folds is not None:
            source["split"] = {
                "part": "train" if part == "train" else "val",
                "folds": folds,
                "fold": own.get("fold", 0),
                "seed": own.get("split_seed", 0),
            }
        node["data_source"] = ConfigDict(source)


def _typed(source: dict[str, Any], labelled: bool) -> dict[str, Any]:
    """Return the config of a data source with its type: a list, an ``.npz`` file, or folders."""
    if "type" in source:
        return source
    ann_file, prefix = source.get("ann_file"), source.get("data_prefix")
    if str(ann_file or prefix).lower().endswith(".npz"):
        return {"type": "MedMNIST", **source}
    if ann_file is None and labelled and isinstance(prefix, str):
        return {"type": "ImageNet", **source}
    return {"type": "ImageList", **source}


def _take_sources(cfg: Config, known: Mapping[str, Any]) -> None:
    """Take the data sources of a trained model, where the config describes no images."""
    for part in ("train", "val", "test"):
        theirs = (known.get("data") or {}).get(part)
        if cfg.data.get(part) is not None and theirs is not None:
            while "data_source" not in theirs and isinstance(theirs.get("dataset"), Mapping):
                theirs = theirs["dataset"]
            source = theirs.get("data_source")
            if source is not None:
                find_dataset(cfg, part)[1]["data_source"] = ConfigDict(source)
