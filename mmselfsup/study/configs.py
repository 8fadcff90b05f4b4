"""What the study must know about a config, for any method.

Whether it can be read, which of the user's overrides it takes, and what the study overrides in it:
the images, and for a pre-training with lesion positives the lesions and the fold's test list.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mmselfsup.config.inspect import (
    _data_source,
    data_source_key,
    find_dataset,
    has_key,
    names_weights,
)
from mmselfsup.utils.errors import UserError

from .own_modules import note_imported

if TYPE_CHECKING:
    from mmcv import Config


def load(path: Path, options: Sequence[str] = ()) -> Config:
    """Read a config as ``tools/train.py`` does, overrides included.

    Raises:
        UserError: It does not exist, can't be read, has an unknown key, or names images of its own.
    """
    from mmselfsup.config.imports import names_in  # loads torch, as the other two
    from mmselfsup.config.load import load_config
    from mmselfsup.config.own_data import resolve

    cfg = load_config(str(path), list(options))
    note_imported(names_in(cfg))
    own = cfg.get("own_data")
    if own is not None:  # mean and deviation of the study's own images
        for key in ("ann_file", "data_prefix"):
            if own.get(key):  # they would take the place of the lists of every training and test
                raise UserError(
                    f"{path}: own_data.{key}={own[key]} would replace the lists of the folds: take "
                    "own_data out; tools/run_study.py --data runs the study on such images"
                )
        resolve(cfg)
    return cfg


def data_options(
    cfg: Config, images: Path, lists: dict[str, Path], metadata: Path | None = None
) -> list[str]:
    """Return the overrides that point data sets to images and lists (part -> list).

    A data source that reads the patients of its images reads them from ``metadata``. One that takes
    a part of its list (``split``) takes all of the study's, which is such a part already.
    """
    options = []
    for part, path in lists.items():
        key = data_source_key(cfg, part)
        source = _data_source(cfg, part)
        options += [f"{key}.data_prefix={quoted(images)}", f"{key}.ann_file={quoted(path)}"]
        options += whole_list(cfg, part)
        if metadata is not None and source.get("patients") is not None:
            options.append(f"{key}.patients={quoted(metadata)}")
    return options


def whole_list(cfg: Config, part: str) -> list[str]:
    """Return the override by which a data source with a ``split`` takes all of its list."""
    split = _data_source(cfg, part).get("split") is not None
    return [f"{data_source_key(cfg, part)}.split=None"] if split else []


def metadata_options(cfg: Config, part: str, metadata: Path) -> list[str]:
    """Return the override that sets the lesions of a data source, if it takes and lacks them."""
    source = _data_source(cfg, part)
    # Other data sources may not know the argument; one that is set is the user's choice.
    if source.get("type") != "ImageList" or "metadata" in source:
        return []
    return [f"{data_source_key(cfg, part)}.metadata={quoted(metadata)}"]


def quoted(path: Path | str) -> str:
    """Quote a path so that ``--cfg-options`` takes it as one string, blanks and commas included."""
    text = str(path)
    return repr(text) if re.search(r"[\s,()\[\]{}'\"]", text) else text


def check_scratch(cfg: Config) -> None:
    """Check that a classifier config starts from random weights.

    Raises:
        UserError: It loads weights, so nothing would be trained from scratch.
    """
    if cfg.get("load_from") or cfg.get("resume_from") or names_weights(cfg.get("model")):
        raise UserError(
            f"FINETUNE_CONFIG={cfg.filename} loads weights by itself; the comparison with "
            "training from scratch needs one that doesn't"
        )


def own_weights(cfg: Config) -> str:
    """Return the file that a config starts from by itself, or words for it; empty without any."""
    if cfg.get("load_from"):
        return str(cfg.load_from)
    backbone = (cfg.get("model") or {}).get("backbone")
    return "weights of its own into the backbone" if names_weights(backbone) else ""


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


def positives_options(cfg: Config, held_out: Path | None, metadata: Path | None) -> list[str]:
    """Return the overrides of lesion positives, where a pre-training has them.

    Args:
        cfg: The config of the pre-training.
        held_out: List of the images that the study tests on, whose lesions must not be among
            those of the pre-training; None where it sees all images: then nothing is
            excluded, and test images of a lesion are positives of each other.
        metadata: CSV of the lesions; None uses that of the config.

    Returns:
        Overrides ``key=value``; none where ``lesion_positives`` isn't set.
    """
    key = f"{find_dataset(cfg, 'train')[0]}.lesion_positives"
    if not has_key(cfg, f"{key}.metadata"):
        return []
    lesions = [] if metadata is None else [f"{key}.metadata={quoted(metadata)}"]
    return [*lesions, f"{key}.held_out={None if held_out is None else quoted(held_out)}"]
