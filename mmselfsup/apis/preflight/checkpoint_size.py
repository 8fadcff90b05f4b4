"""The size of a training's checkpoints, from its config alone: nothing is allocated."""

from __future__ import annotations

import copy
import math
from typing import Any

import torch
from mmcv import Config

from mmselfsup.models import build_algorithm

# Copies of the weights that an optimizer keeps; others keep one.
_STATES = {"Adam": 2, "AdamW": 2, "LAMB": 2, "RAdam": 2, "NAdam": 2, "RMSprop": 1}


def state_copies(optimizer: str) -> int:
    """Return how many copies of the weights an optimizer of that name keeps."""
    return _STATES.get(optimizer, 1)


def checkpoint_bytes(cfg: Config) -> int | None:
    """Return the bytes of a checkpoint of a training, about.

    The model is built on the ``meta`` device. None for models that need values in their
    constructor.
    """
    try:
        with torch.device("meta"):
            model: Any = build_algorithm(copy.deepcopy(cfg.model))
    except Exception:  # the training itself reports what can't be built
        return None
    size = sum(t.numel() * t.element_size() for t in model.state_dict().values())
    if (cfg.get("checkpoint_config") or {}).get("save_optimizer", True):
        copies = state_copies(str((cfg.get("optimizer") or {}).get("type", "")))
        trained = (p for p in model.parameters() if p.requires_grad)
        size += copies * sum(p.numel() * p.element_size() for p in trained)
    return int(size)


def num_checkpoints(interval: int, most: int, total: int) -> int:
    """Return how many checkpoints of a training are there at once.

    Args:
        interval: Epochs (or iterations) from one to the next; below 1: only at the end.
        most: How many are kept; below 1: all.
        total: Epochs (or iterations) of the training.
    """
    number = math.ceil(total / interval) if interval > 0 else 1
    return min(number, most) if most > 0 else number
