"""Checks before hours of training that a classifier can load a pre-trained backbone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mmselfsup.utils.errors import UserError

from .pretraining import Pretraining

if TYPE_CHECKING:
    from mmcv import Config

#: Config keys that determine the shapes of a backbone, with their defaults.
_SHAPE: dict[str, Any] = {
    "depth": None,
    "arch": None,
    "stem_channels": 64,
    "base_channels": 64,
}


def check_backbones(task: Pretraining, finetune: Config) -> list[str]:
    """Compare the backbone of a pre-training with that of the classifier.

    Backbones of different types are not compared: some types can load each other's weights.

    Returns:
        Warnings: what the classifier will not load.

    Raises:
        UserError: Both are of the same type and of different size.
    """
    pretrained, classifier = _backbone(task.cfg), _backbone(finetune)
    if _kind(pretrained) != _kind(classifier):
        return []
    for key, default in _SHAPE.items():
        ssl_value, value = pretrained.get(key, default), classifier.get(key, default)
        if ssl_value != value:
            raise UserError(
                f"the backbone of {task.tasks[-1]} has {key}={ssl_value}, that of "
                f"FINETUNE_CONFIG {value}: name configs of the same network (SIZE picks a pair)"
            )
    ssl_channels, channels = pretrained.get("in_channels", 3), classifier.get("in_channels", 3)
    if ssl_channels == channels:
        return []
    # Only a warning: loading skips this one layer, all others fit.
    return [
        f"{task.tasks[-1]} has {ssl_channels} input channels, the classifier {channels}: the "
        "first convolution starts from random weights"
    ]


def _backbone(cfg: Config) -> dict[str, Any]:
    backbone = cfg.get("model", {}).get("backbone")
    return dict(backbone) if isinstance(backbone, dict) else {}


def _kind(backbone: dict[str, Any]) -> str:
    """Return the type of a backbone without the package that registers it."""
    return str(backbone.get("type", "")).rpartition(".")[2]
