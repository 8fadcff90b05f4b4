"""The configs of a study, found by the names of method, size and backbone.

A pre-training is a folder of ``configs/selfsup``; the ends of the names of files say data and size,
their first words the backbone.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from mmselfsup.utils.errors import UserError
from mmselfsup.utils.study_data import StudyData

from .settings import DEFAULT_DATA

DEMO = "demo"
_SSL = "name a config with SSL_CONFIG"


def find_ssl_config(
    configs: Path, algorithm: str, size: str, data: StudyData = DEFAULT_DATA
) -> Path:
    """Choose the config of an algorithm for a data set.

    Args:
        configs: The folder ``configs``.
        algorithm: Name of its folder under ``selfsup``.
        size: Side of the images in pixels, or ``demo``.
        data: The data set.

    Raises:
        UserError: There is none; the message names those that exist.
    """
    paths = _ssl_paths(configs, size, data)
    for path in paths:
        if path.parent.name == algorithm:
            return path
    what = "demo" if size == DEMO else f"{data.name} (SIZE={size})"
    advice = f"SIZE=64 with --demo, {_SSL}" if size == DEMO else _SSL
    names = ", ".join(pretraining_names(configs, size, data)) or "none"
    raise UserError(
        f"ALGORITHM={algorithm} has no {what} config under {configs / 'selfsup'}; "
        f"available: {names} (or {advice})"
    )


def pretraining_names(configs: Path, size: str, data: StudyData = DEFAULT_DATA) -> list[str]:
    """Return the names of the pre-trainings that have a config of a size, sorted.

    Arguments as those of ``find_ssl_config``.
    """
    return list(dict.fromkeys(path.parent.name for path in _ssl_paths(configs, size, data)))


def _ssl_paths(configs: Path, size: str, data: StudyData) -> list[Path]:
    return sorted(configs.glob(f"selfsup/*/*{data.config_ending(size)}.py"))


def find_finetune_config(
    configs: Path,
    size: str,
    data: StudyData = DEFAULT_DATA,
    ssl_configs: Mapping[str, Path] | None = None,
) -> Path:
    """Choose the config of the classifier for a data set and the backbone of the pre-trainings.

    The names of configs tell the backbone: its word is ``network_of`` a pre-training and the first
    one of a classifier (``vit-tiny-p8_...``). Where no classifier has the word of a pre-training,
    the basic one is meant, a ResNet.

    Args:
        configs: The folder ``configs``.
        size: Side of the images in pixels, or ``demo``.
        data: The data set.
        ssl_configs: The configs of the pre-trainings, by their names.

    Raises:
        UserError: There is none, or the pre-trainings need different ones.
    """
    folder = configs / "benchmarks" / "classification" / data.configs
    ending = f"*{data.config_ending(size)}.py"
    paths = sorted(folder.glob(ending), key=lambda path: (len(path.name), path))
    if not paths:
        raise UserError(f"no config {ending} in {folder}; name one: FINETUNE_CONFIG")
    # Of those with a backbone the first is the basic one: variants add a word to its name.
    by_backbone = {path.stem.split("_")[0]: path for path in reversed(paths)}
    basic = next((path for path in paths if not _is_transformer(path)), paths[0])
    chosen = {
        name: by_backbone.get(network_of(path), basic) for name, path in (ssl_configs or {}).items()
    }
    different = dict.fromkeys(chosen.values())
    if len(different) > 1:
        needed = ", ".join(f"{name}: {path.stem.split('_')[0]}" for name, path in chosen.items())
        raise UserError(
            f"the pre-trainings have different backbones ({needed}), but a study has one "
            "classifier: run a study for each, or name configs of one backbone with SSL_CONFIG"
        )
    return next(iter(different), basic)


def network_of(path: Path) -> str:
    """Return the word of the backbone in the name of a pre-training's config, the second one.

    ``mae_vit-tiny-p8_1xb128-coslr-200e_<data>.py``: ``vit-tiny-p8``; a name of one word has
    none: an empty string.
    """
    return "".join(path.stem.split("_")[1:2])


def _is_transformer(path: Path) -> bool:
    """Tell from the name of a classifier's config whether its backbone is a transformer."""
    return path.stem.startswith(("vit", "swin"))
