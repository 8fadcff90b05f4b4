"""What hooks do with gradients between the backward pass and the step."""

from collections.abc import Collection, Iterable

import torch
from torch import Tensor, nn


def gradient_norm(params: Iterable[Tensor]) -> Tensor | None:
    """L2 norm of all gradients together, shape [], on their device; None without a gradient."""
    grads = [param.grad for param in params if param.grad is not None]
    return torch.linalg.vector_norm(torch.stack(torch._foreach_norm(grads))) if grads else None


def drop_gradients(model: nn.Module, parts: Collection[str]) -> None:
    """Take the gradient from parameters in whose name one of ``parts`` occurs."""
    for name, param in model.named_parameters() if parts else ():
        if any(part in name for part in parts):
            param.grad = None
