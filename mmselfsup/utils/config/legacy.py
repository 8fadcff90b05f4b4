"""What configs, above all those of MMSelfSup 0.x, carry without effect; it is told here alone."""

from collections.abc import Callable
from typing import Any

# Variables of config files that are still there after the file was read, used there or not:
# of 0.x, and `classes` of the ISIC-2019 configs.
HELPERS = frozenset(
    {
        "classes",
        "color_distort_strength",
        "data_source",
        "dataset_type",
        "extract_dataset_type",
        "extract_pipeline",
        "format_pipeline",
        "lr",
        "num_classes",
        "num_crops",
        "num_views",
        "pipeline",
        "test_cfg",
        "train_cfg",
        "train_dataset_type",
        "train_pipeline",
        "train_pipeline1",
        "train_pipeline2",
        "update_interval",
    }
)

# Arguments that classes of 0.x took into **kwargs and never looked at.
SWALLOWED: dict[str, frozenset[str]] = {}

# Options of a parameter group beyond the arguments of the optimizer.
GROUP_OPTIONS = ("lars_exclude", "fix_lr")

# Keys of `paramwise_options` that were meant for mmcv's `paramwise_cfg`: they name no parameter.
MISPLACED_OPTIONS = (
    "bias_decay_mult",
    "bias_lr_mult",
    "dwconv_decay_mult",
    "norm_decay_mult",
)


def swallowed(target: Callable[..., Any], key: str) -> bool:
    """Whether 0.x accepted ``key`` for this class and made nothing of it."""
    classes = getattr(target, "__mro__", (target,))
    return any(key in SWALLOWED.get(cls.__name__, ()) for cls in classes)
