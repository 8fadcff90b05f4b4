"""The builder of the optimizer of a config, with fused steps where the device has them.

``fused=True`` computes the same as the plain loop over the parameters, in one pass over memory.
"""

import copy
from collections.abc import Callable, Mapping
from typing import Any

import torch
from mmcv.runner import OPTIMIZERS
from mmcv.runner.optimizer import build_optimizer_constructor
from torch import nn, optim
from torch.optim import SGD, Optimizer

from mmselfsup.utils.errors import UserError
from mmselfsup.utils.sharding import is_part

#: Optimizers with fused steps on the devices below, from torch 2.5 on.
_CLASSES: tuple[type, ...] = (optim.SGD, optim.Adam, optim.AdamW)
_DEVICES = ("cpu", "cuda")
# A config that sets one of these has chosen an implementation of the step.
_CHOICES = ("fused", "foreach", "capturable", "differentiable")

# Constructors that scale the learning rate of each parameter.
_SCALING = ("DefaultOptimizerConstructor", "TransformerFinetuneConstructor")


def build_optimizer(
    model: nn.Module,
    optimizer_cfg: dict[str, Any],
    lr_scale: Callable[[str], float] | None = None,
) -> Optimizer:
    """Build the optimizer of ``model`` from its config; the config is not changed.

    Args:
        model: The model, wrapped for several processes or not.
        optimizer_cfg: ``type`` and its arguments; also ``constructor`` (default
            ``DefaultOptimizerConstructor``) and the options of that, such as
            ``paramwise_options`` or mmcv's ``paramwise_cfg``. torch's SGD, Adam and AdamW get
            ``fused=True`` unless the config sets an implementation, or SGD has dampening.
        lr_scale: Function from the name of a parameter of the bare model to a factor of its
            learning rate.

    Raises:
        UserError: There is a ``lr_scale``, and the constructor doesn't know it.
    """
    config = with_fused(copy.deepcopy(dict(optimizer_cfg)), model)
    if lr_scale is not None:
        if config.get("constructor", _SCALING[0]) not in _SCALING or config.get("paramwise_cfg"):
            raise UserError(
                "adapt: lr_mult and layer_decay need paramwise_options in place of paramwise_cfg, "
                f"and optimizer.constructor one of {', '.join(_SCALING)}"
            )
        config["lr_scale"] = lr_scale
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


def start_momentum(optimizer: optim.Optimizer, *_: Any) -> None:
    """Set the momentum of SGD to zero where a parameter has its first gradient, before a step.

    The fused step has one flag, "first step", for all parameters of a group: it fails where some
    get their first gradients later than others (frozen until then), and it leaves the momentum
    unset where a loss scaler skips the first step. Without dampening, a momentum of zero gives the
    first step of the plain loop.
    """
    for group in optimizer.param_groups:
        for p in group["params"] if group["fused"] and group["momentum"] else ():
            if p.grad is not None and optimizer.state[p].get("momentum_buffer") is None:
                optimizer.state[p]["momentum_buffer"] = torch.zeros_like(p)


def with_fused(config: Mapping[str, Any], model: nn.Module) -> dict[str, Any]:
    """Return an optimizer's config, with ``fused=True`` where possible and nothing else is set.

    Args:
        config: ``type`` and arguments.
        model: The model on its device.
    """
    kind = config.get("type")
    target = OPTIMIZERS.get(kind) if isinstance(kind, str) else kind
    chosen = any(config.get(name) is not None for name in _CHOICES)
    chosen = chosen or bool(config.get("dampening"))  # see start_momentum
    fits = all(p.is_floating_point() and p.device.type in _DEVICES for p in model.parameters())
    if target is SGD and any(is_part(p) for p in model.parameters()):
        fits = False  # PyTorch 2.15 has no fused SGD of sharded tensors
    return {**config, "fused": True} if target in _CLASSES and fits and not chosen else {**config}
