"""A warning where a tool prepares images otherwise than the training of its checkpoint did.

A checkpoint holds the config of its training; a test with other statistics or other channels runs
without an error and gives poor scores, and so does that of a classifier at another size.
"""

import logging
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import numpy as np
from mmcv import Config

from mmselfsup.config import own_data
from mmselfsup.config.inspect import transform_steps
from mmselfsup.core.checkpoint import load_state
from mmselfsup.models import ALGORITHMS
from mmselfsup.utils.errors import UserError

_PARTS = ("test", "val", "extract", "train")  # the first that there is says how images look
_SIZE = "image size"
_DIGITS = 1e-4  # statistics that differ by less are the same numbers, rounded


def report_other_input(
    cfg: Config,
    checkpoint: str | None,
    state: Mapping[str, Any] | None = None,
    logger: logging.Logger | None = None,
) -> list[str]:
    """Warn where images are prepared otherwise than those of the training in a checkpoint.

    Sizes are compared where both configs have one and the same kind of classifier: a pre-training
    and its evaluation often differ in size, and mean it.

    Args:
        cfg: The config that prepares the images.
        checkpoint: The file of the weights; without one nothing is compared.
        state: Its content, where it is read already.
        logger: Logger of the warning (default: that of the package).

    Returns:
        What differs, a text for each with both values; empty where the checkpoint holds no config.
    """
    if checkpoint is None:
        return []
    trained: dict[str, Any] = {}
    with suppress(UserError):  # who needs the checkpoint says what is wrong with it
        trained = own_data.config_in(load_state(checkpoint, mmap=True) if state is None else state)
    used = cfg._cfg_dict.to_dict()
    wanted, given = input_of(trained), input_of(used)
    if not _same_classifier(trained, used):
        wanted.pop(_SIZE, None)
    found = [
        f"{name} {_said(given[name])}, trained with {_said(wanted[name])}"
        for name in wanted
        if name in given and not _same(given[name], wanted[name])
    ]
    if found:
        (logger or logging.getLogger("mmselfsup")).warning(
            "%s: the images are prepared otherwise than in its training: %s; take the values of "
            "the training unless that is meant", checkpoint, "; ".join(found),
        )  # fmt: skip
    return found


def _same_classifier(trained: Mapping[str, Any], used: Mapping[str, Any]) -> bool:
    """Return whether two configs have the same kind of model, one that gives scores of classes."""
    models = (trained.get("model"), used.get("model"))
    kinds = [model.get("type") if isinstance(model, Mapping) else None for model in models]
    if kinds[0] != kinds[1] or not isinstance(kinds[0], str):
        return False
    return hasattr(ALGORITHMS.get(kinds[0]), "class_scores")


def input_of(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a config says of the images that a network gets; what it leaves open is absent.

    These are ``mean`` and ``std`` of ``Normalize``, ``image size`` behind the pipeline (the longer
    side; of several views the largest; absent where the image is cut into patches behind it),
    ``channel_order`` and ``color_type``.
    """
    data = config.get("data")
    parts = [data[part] for part in _PARTS if data.get(part)] if isinstance(data, Mapping) else []
    steps: list[Any] = next(filter(None, (list(transform_steps(part)) for part in parts)), [])
    steps = steps or list(transform_steps(config.get("test_pipeline")))
    found: dict[str, Any] = {}
    norm: Any = next((step for step in steps if step["type"] == "Normalize"), None)
    if norm is None and config.get("prefetch"):
        norm = config.get("img_norm_cfg")
    if isinstance(norm, Mapping):
        found.update({key: norm[key] for key in ("mean", "std") if _is_numbers(norm.get(key))})
    crops = [step for step in steps if "Crop" in step["type"]] or [
        step for step in steps if step["type"] == "Resize"
    ]
    sizes = [np.ravel(step["size"]).max() for step in crops if _is_numbers(step.get("size"))]
    if sizes and not any("format_pipeline" in _dataset(part) for part in parts):
        found[_SIZE] = int(max(sizes))
    source = next(filter(None, map(_source, parts)), None)
    if source is not None:
        found["channel_order"] = source.get("channel_order", "rgb")
        found["color_type"] = source.get("color_type", "color")
    return found


def _is_numbers(value: Any) -> bool:
    """Return whether a value is a number, or some, not a name such as ``'auto'``."""
    return (
        value is not None
        and np.asarray(value, dtype=object).size > 0
        and all(isinstance(item, int | float) for item in np.ravel(np.asarray(value, dtype=object)))
    )


def _source(part: Any) -> Mapping[str, Any] | None:
    """Return the data source of a data set, through wrappers; None without one."""
    return _dataset(part).get("data_source")


def _dataset(part: Any) -> Mapping[str, Any]:
    """Return the config with a data source inside of wrappers; empty without one."""
    while isinstance(part, Mapping):
        if isinstance(part.get("data_source"), Mapping):
            return part
        part = part.get("dataset")
    return {}


def _same(first: Any, second: Any) -> bool:
    """Return whether two values are equal, numbers up to rounding."""
    if not (_is_numbers(first) and _is_numbers(second)):
        return bool(first == second)
    one, other = (np.ravel(np.asarray(value, np.float64)) for value in (first, second))
    if one.size != other.size and 1 not in (one.size, other.size):
        return False
    return bool(np.allclose(one, other, rtol=0, atol=_DIGITS))


def _said(value: Any) -> str:
    """Return a value for the message."""
    if isinstance(value, list | tuple):
        return f"[{', '.join(f'{number:.4g}' for number in value)}]"
    return str(value)
