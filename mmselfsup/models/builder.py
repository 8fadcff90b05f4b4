"""The registry of all modules, and the functions that build them from a config.

One registry under five names: any registered class can be used for any part of a model, so its
name must be unique over algorithms, backbones, necks, heads and memories. The registry is a
child of mmcv's, so classes of sibling libraries are available with their scope, for example
``mmcls.SwinTransformer``.

The ``build_*`` functions take ``dict(type="RegisteredName", ...)``, whose other entries are the
arguments of the constructor. They raise ``KeyError`` for an unknown or missing ``type``; an
error of the constructor keeps its type.
"""

from typing import Any

from mmcv.cnn import MODELS as MMCV_MODELS
from mmcv.utils import Registry
from torch import nn

from mmselfsup.utils.batch_norm import count_batches_once
from mmselfsup.utils.errors import ArgumentError

MODELS = Registry("models", parent=MMCV_MODELS)
ALGORITHMS = MODELS
BACKBONES = MODELS
NECKS = MODELS
HEADS = MODELS
MEMORIES = MODELS

# Default initialisations of weights, in mmcv's ``init_cfg`` format. Modules copy the lists.
NORM_INIT: list[dict[str, Any]] = [
    {"type": "Constant", "val": 1, "layer": ["_BatchNorm", "GroupNorm"]}
]
CONV_INIT: list[dict[str, Any]] = [{"type": "Kaiming", "layer": ["Conv2d"]}, *NORM_INIT]
LINEAR_INIT: list[dict[str, Any]] = [{"type": "Normal", "std": 0.01, "layer": "Linear"}, *NORM_INIT]


def build_algorithm(cfg: dict[str, Any]) -> nn.Module:
    """Build an algorithm from its config; its weights are those of PyTorch's defaults.

    ``init_weights`` of the result applies each module's ``init_cfg``.
    """
    return _with_kept_start(ALGORITHMS.build(cfg))


def build_backbone(cfg: dict[str, Any]) -> nn.Module:
    """Build a backbone from its config; see ``build_algorithm``.

    With ``with_cp`` its batch normalisations count each batch once, also in a backbone of mmcls.
    """
    backbone = _with_kept_start(BACKBONES.build(cfg))
    if cfg.get("with_cp"):
        count_batches_once(backbone)
    return backbone


def build_neck(cfg: dict[str, Any]) -> nn.Module:
    """Build a neck from its config; see ``build_algorithm``."""
    return _with_kept_start(NECKS.build(cfg))


def build_head(cfg: dict[str, Any]) -> nn.Module:
    """Build a head from its config; see ``build_algorithm``."""
    return _with_kept_start(HEADS.build(cfg))


def build_memory(cfg: dict[str, Any]) -> nn.Module:
    """Build a memory bank from its config; see ``build_algorithm``."""
    return MEMORIES.build(cfg)


def _with_kept_start(module: nn.Module) -> nn.Module:
    """Return a module whose ``init_cfg`` is no list with start weights, in place.

    mmcv draws the weights of the parts again after those of a list, also loaded ones; after a dict
    of start weights it draws nothing.

    Raises:
        ArgumentError: The list has other entries too.
    """
    steps: Any = getattr(module, "init_cfg", None)
    if isinstance(steps, list) and any(step.get("type") == "Pretrained" for step in steps):
        if len(steps) > 1:
            raise ArgumentError(
                f"{type(module).__name__}: init_cfg lists {len(steps)} steps, and what Pretrained "
                "loads would be drawn again: give init_cfg=dict(type='Pretrained', checkpoint=...)"
            )
        module.init_cfg = steps[0]
    return module
