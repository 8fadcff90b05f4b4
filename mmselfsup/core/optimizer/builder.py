"""The builder of the optimizer of a config."""

import copy
from typing import Any

from mmcv.runner.optimizer import build_optimizer_constructor
from torch import nn
from torch.optim import SGD, Optimizer

from .fused import start_momentum, with_fused


def build_optimizer(model: nn.Module, optimizer_cfg: dict[str, Any]) -> Optimizer:
    """Build the optimizer of ``model`` from its config; the config is not changed.

    Args:
        model: The model, wrapped for several processes or not.
        optimizer_cfg: ``type`` and its arguments; also ``constructor`` (default
            ``DefaultOptimizerConstructor``) and the options of that, such as
            ``paramwise_options`` or mmcv's ``paramwise_cfg``. torch's SGD, Adam and AdamW get
            ``fused=True`` unless the config sets an implementation, or SGD has dampening.
    """
    config = with_fused(copy.deepcopy(dict(optimizer_cfg)), model)
    constructor = build_optimizer_constructor(
        dict(
            type=config.pop("constructor", "DefaultOptimizerConstructor"),
            paramwise_cfg=config.pop("paramwise_cfg", None),
            optimizer_cfg=config,
        )
    )
    optimizer: Optimizer = constructor(model)
    # Not for subclasses, which may have another state.
    if type(optimizer) is SGD:
        optimizer.register_step_pre_hook(start_momentum)
    return optimizer
