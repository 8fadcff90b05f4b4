"""One kernel for a step of torch's optimizers, where the device has one.

``fused=True`` computes what the plain loop over the parameters computes, in one pass over memory.
"""

from collections.abc import Mapping
from typing import Any

from mmcv.runner import OPTIMIZERS
from torch import nn, optim

#: Optimizers with fused steps on the devices below, from torch 2.5 on.
_CLASSES: tuple[type, ...] = (optim.SGD, optim.Adam, optim.AdamW)
_DEVICES = ("cpu", "cuda")
# Whoever names one of these has chosen how the step is computed.
_CHOICES = ("fused", "foreach", "capturable", "differentiable")


def with_fused(config: Mapping[str, Any], model: nn.Module) -> dict[str, Any]:
    """The config of an optimizer, with ``fused=True`` where it says nothing and it can be had.

    Args:
        config: ``type`` and arguments.
        model: the model on its device.
    """
    kind = config.get("type")
    found = OPTIMIZERS.get(kind) if isinstance(kind, str) else kind
    chosen = any(config.get(name) is not None for name in _CHOICES)
    fits = all(p.is_floating_point() and p.device.type in _DEVICES for p in model.parameters())
    return {**config, "fused": True} if found in _CLASSES and fits and not chosen else {**config}
