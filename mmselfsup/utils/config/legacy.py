"""Names in configs without effect, mainly of MMSelfSup 0.x; no other module lists these."""

from collections.abc import Callable
from typing import Any

# Variables of config files that mmcv leaves in the config, used by the file or not: those of 0.x,
# and ``classes`` of the ISIC-2019 configs.
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

# Arguments that classes of 0.x accepted by **kwargs and never read.
SWALLOWED: dict[str, frozenset[str]] = {}

# Options of a parameter group beyond the arguments of the optimizer.
GROUP_OPTIONS = ("lars_exclude", "fix_lr")

# Keys of mmcv's ``paramwise_cfg`` that configs have in ``paramwise_options``: no parameter has
# such a name.
MISPLACED_OPTIONS = (
    "bias_decay_mult",
    "bias_lr_mult",
    "dwconv_decay_mult",
    "norm_decay_mult",
)


def swallowed(target: Callable[..., Any], key: str) -> bool:
    """Return whether 0.x accepted ``key`` for this class and ignored it."""
    classes = getattr(target, "__mro__", (target,))
    return any(key in SWALLOWED.get(cls.__name__, ()) for cls in classes)
