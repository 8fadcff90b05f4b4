"""The default optimizer constructor: parameter groups and an optimizer from a config."""

from typing import Any

from mmcv.runner import OPTIMIZERS
from mmcv.runner.optimizer import OPTIMIZER_BUILDERS
from mmcv.runner.optimizer import DefaultOptimizerConstructor as MMCVOptimizerConstructor
from mmcv.utils import build_from_cfg
from torch import nn
from torch.optim import Optimizer

from mmselfsup.utils.errors import UserError

from .layer_decay import layer_scales
from .param_groups import group_parameters


@OPTIMIZER_BUILDERS.register_module(force=True)
class DefaultOptimizerConstructor(MMCVOptimizerConstructor):
    """Constructor with ``paramwise_options`` by regular expression over parameter names.

    ::

        optimizer = dict(
            type='LARS', lr=0.3, momentum=0.9, weight_decay=1e-6,
            paramwise_options={
                '(bn|gn)(\\d+)?.(weight|bias)': dict(weight_decay=0., lars_exclude=True),
                'bias': dict(weight_decay=0., lars_exclude=True),
                r'\\Ahead.': dict(lr_mult=10)})

    All expressions that match a part of a name apply, a later one over an earlier one. ``X_mult``
    multiplies the optimizer's own ``X``.

    ``layer_decay=0.7`` decreases the learning rate of a ResNet from the head to the stem, see
    ``mmselfsup.core.optimizer.layer_decay``.

    Args:
        optimizer_cfg: ``type``, arguments of the optimizer, ``paramwise_options``,
            ``layer_decay`` in (0, 1].
        paramwise_cfg: Options of mmcv; for configs without ``paramwise_options``.
    """

    def __init__(
        self, optimizer_cfg: dict[str, Any], paramwise_cfg: dict[str, Any] | None = None
    ) -> None:
        config = dict(optimizer_cfg)
        self.options = config.pop("paramwise_options", None) or {}
        self.layer_decay: float | None = config.pop("layer_decay", None)
        super().__init__(config, paramwise_cfg)
        if self.paramwise_cfg and (self.options or self.layer_decay is not None):
            raise UserError(
                "optimizer: give paramwise_options and layer_decay, or paramwise_cfg, not both"
            )

    def __call__(self, model: nn.Module) -> Optimizer:
        """Build the optimizer of ``model``."""
        if self.paramwise_cfg:
            return super().__call__(model)
        model = getattr(model, "module", model)
        scale = None if self.layer_decay is None else layer_scales(model, self.layer_decay)
        groups = group_parameters(model, self.options, self.optimizer_cfg, scale)
        return build_from_cfg({**self.optimizer_cfg, "params": groups}, OPTIMIZERS)
