"""Small questions about a module: what is inside the wrapper, on which device it lives."""

import torch
from torch import nn


def unwrap(model: nn.Module) -> nn.Module:
    """The module inside ``DistributedDataParallel`` (or another wrapper with ``.module``)."""
    inner = getattr(model, "module", model)
    return inner if isinstance(inner, nn.Module) else model


def module_device(model: nn.Module) -> torch.device:
    """Device of the first parameter or buffer; CPU for a module without any."""
    for tensor in (*model.parameters(), *model.buffers()):
        return tensor.device
    return torch.device("cpu")
