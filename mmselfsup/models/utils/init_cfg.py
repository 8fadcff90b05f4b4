"""The default initialisations of weights, in mmcv's ``init_cfg`` format. Modules copy the lists."""

from typing import Any

NORM_INIT: list[dict[str, Any]] = [
    {"type": "Constant", "val": 1, "layer": ["_BatchNorm", "GroupNorm"]}
]
CONV_INIT: list[dict[str, Any]] = [{"type": "Kaiming", "layer": ["Conv2d"]}, *NORM_INIT]
LINEAR_INIT: list[dict[str, Any]] = [{"type": "Normal", "std": 0.01, "layer": "Linear"}, *NORM_INIT]
