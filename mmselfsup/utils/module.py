"""The module inside a wrapper, and the device of a module."""

import torch
from torch import nn


def unwrap(model: nn.Module) -> nn.Module:
    """Return the module inside ``DistributedDataParallel`` (or a wrapper with ``.module``)."""
    inner = getattr(model, "module", model)
    return inner if isinstance(inner, nn.Module) else model


def module_device(model: nn.Module) -> torch.device:
    """Return the device of the first parameter or buffer; the CPU for a module without any."""
    for tensor in (*model.parameters(), *model.buffers()):
        return tensor.device
    return torch.device("cpu")
