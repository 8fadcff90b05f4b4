"""See before hours of training whether a classifier can take over a pre-trained backbone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mmselfsup.utils.errors import UserError

from .pretraining import Pretraining

if TYPE_CHECKING:
    from mmcv import Config

#: What decides over the shapes of a backbone, and what holds where a config doesn't say.
_SHAPE: dict[str, Any] = {
    "depth": None,
    "arch": None,
    "stem_channels": 64,
    "base_channels": 64,
}


def check_backbones(task: Pretraining, finetune: Config) -> list[str]:
    """Compare the backbone of a pre-training with that of the classifier.

    Backbones of different types are not compared: some are made for one another.

    Returns:
        Warnings: what the classifier will not take over.

    Raises:
        UserError: Both are of the same type and of different size.
    """
    ours, theirs = _backbone(task.cfg), _backbone(finetune)
    if _kind(ours) != _kind(theirs):
        return []
    for key, default in _SHAPE.items():
        here, there = ours.get(key, default), theirs.get(key, default)
        if here != there:
            raise UserError(
                f"the backbone of {task.tasks[-1]} has {key}={here}, that of FINETUNE_CONFIG "
                f"{there}: name configs of the same network (SIZE picks a pair)"
            )
    here, there = ours.get("in_channels", 3), theirs.get("in_channels", 3)
    if here == there:
        return []
    return [
        f"{task.tasks[-1]} sees {here} input channels, the classifier {there}: the first "
        "convolution starts from random weights"
    ]


def _backbone(cfg: Config) -> dict[str, Any]:
    found = cfg.get("model", {}).get("backbone")
    return dict(found) if isinstance(found, dict) else {}


def _kind(backbone: dict[str, Any]) -> str:
    """Name a backbone without the package it comes from."""
    return str(backbone.get("type", "")).rpartition(".")[2]
