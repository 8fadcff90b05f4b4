"""The registry of everything that is a module, and the functions that build from a config.

One registry under five names: a class can be used wherever a module is asked for, so its name
must be unique over algorithms, backbones, necks, heads and memories. It is a child of mmcv's, so
classes of sibling libraries are reached with their scope, for example ``mmcls.SwinTransformer``.
"""

from typing import Any

from mmcv.cnn import MODELS as MMCV_MODELS
from mmcv.utils import Registry
from torch import nn

MODELS = Registry("models", parent=MMCV_MODELS)

ALGORITHMS = MODELS
BACKBONES = MODELS
NECKS = MODELS
HEADS = MODELS
MEMORIES = MODELS


def build_algorithm(cfg: dict[str, Any]) -> nn.Module:
    """Build an algorithm from its config."""
    return ALGORITHMS.build(cfg)


def build_backbone(cfg: dict[str, Any]) -> nn.Module:
    """Build a backbone from its config."""
    return BACKBONES.build(cfg)


def build_neck(cfg: dict[str, Any]) -> nn.Module:
    """Build a neck from its config."""
    return NECKS.build(cfg)


def build_head(cfg: dict[str, Any]) -> nn.Module:
    """Build a head from its config."""
    return HEADS.build(cfg)


def build_memory(cfg: dict[str, Any]) -> nn.Module:
    """Build a memory bank from its config."""
    return MEMORIES.build(cfg)
