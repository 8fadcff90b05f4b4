"""A network with the weights of another one: same shapes, and other results.

Strides, dilations, activations and the number of heads leave no trace in the shapes of weights, so
such a file loads completely. The config in a checkpoint of ours knows them.

A pre-training may name what its evaluations change on purpose, at the top level of its config:
``classifier_backbone = dict(strides=(1, 2, 2, 2))`` are options of the backbone that a classifier
has in place of those of the pre-training.
"""

import copy
import logging
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

import torch
from torch import nn

from mmselfsup.config import own_data
from mmselfsup.models import build_backbone
from mmselfsup.utils.logger import get_root_logger
from mmselfsup.utils.plurals import counted
from mmselfsup.utils.seed import rng_untouched

# What a layer computes beside its weights: of a single layer, and of one with parts.
_OF_LAYER = ("stride", "padding", "dilation", "kernel_size", "groups")
_OF_PARTS = ("num_heads", "shift_size")
_ACTIVATIONS = (
    nn.ReLU, nn.GELU, nn.SiLU, nn.LeakyReLU, nn.ELU, nn.Hardswish, nn.ReLU6, nn.Tanh, nn.Mish,
)  # fmt: skip
# Where weights come from, which needs files or the network.
_WEIGHTS = {"pretrained": False, "checkpoint_path": "", "init_cfg": None}


def report_other_network(
    model: Mapping[str, Any],
    checkpoint: str,
    state: Mapping[str, Any],
    logger: logging.Logger | None = None,
) -> str:
    """Warn that the backbone of a config computes otherwise than that of a checkpoint.

    Args:
        model: The config of the model.
        checkpoint: The file, for the message.
        state: Its content. Only the config of a training of ours is read.
        logger: Logger of the warning; None for the root logger.

    Returns:
        The warning; '' for backbones that agree, and where it isn't known.
    """
    config = own_data.config_in(state)
    there = config.get("model")
    before = there.get("backbone") if isinstance(there, Mapping) else None
    now = model.get("backbone")
    if not isinstance(before, Mapping) or not isinstance(now, Mapping) or before == now:
        return ""
    logger = logger or get_root_logger()
    meant = config.get("classifier_backbone")
    variants = [before, {**before, **meant}] if isinstance(meant, Mapping) else [before]
    try:
        built = _shapes(now)
        found = [list(_differences(_shapes(variant), built)) for variant in variants]
    except Exception as error:  # the run itself reports what can't be built here
        logger.debug("the backbone of %s is not compared: %s", checkpoint, error)
        return ""
    differences = min(found, key=len)
    if not differences:
        return ""
    line = (
        f"model.backbone computes otherwise than that of {checkpoint}, whose weights it gets: "
        f"{differences[0]}; {counted(len(differences), 'such difference')}. Take "
        "model.backbone from the config in the checkpoint, unless it is meant"
    )
    logger.warning("%s", line)
    return line


def _shapes(config: Mapping[str, Any]) -> nn.Module:
    """Return a backbone in which nothing is loaded, and no random number used up.

    It has no values where it can be built without; some, such as mmcls's Swin, read values of
    tensors on the way.
    """
    own = dict(config) | {key: value for key, value in _WEIGHTS.items() if key in config}
    with rng_untouched():
        with suppress(Exception), torch.device("meta"):
            return build_backbone(copy.deepcopy(own))
        with torch.device("cpu"):
            return build_backbone(own)


def _differences(before: nn.Module, now: nn.Module) -> Iterator[str]:
    """Yield what layers of the same name compute otherwise."""
    others = dict(now.named_modules())
    for name, layer in before.named_modules():
        other = others.get(name)
        if other is None:
            continue
        kinds = type(layer), type(other)
        if kinds[0] is not kinds[1] and all(issubclass(kind, _ACTIVATIONS) for kind in kinds):
            yield f"{name} is {kinds[0].__name__} there and {kinds[1].__name__} here"
        for key in _OF_PARTS if any(layer.children()) else (*_OF_LAYER, *_OF_PARTS):
            values = [getattr(of, key, None) for of in (layer, other)]
            plain = [_plain(value) for value in values]
            if None not in plain and plain[0] != plain[1]:
                yield f"{key} of {name} is {values[0]} there and {values[1]} here"


def _plain(value: Any) -> tuple[Any, ...] | None:
    """Return a number or numbers as a tuple, one number as two; None for anything else."""
    if isinstance(value, int | str) and not isinstance(value, bool):
        return (value, value)
    known = isinstance(value, tuple) and all(isinstance(item, int) for item in value)
    return tuple(value) if known else None
