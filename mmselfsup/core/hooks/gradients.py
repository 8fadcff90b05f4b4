"""Operations of hooks on gradients, between the backward pass and the step."""

from collections.abc import Collection, Iterable

import torch
from torch import Tensor, nn


def gradient_norm(params: Iterable[Tensor]) -> Tensor | None:
    """Return the L2 norm of all gradients together, [], on their device; None without gradients."""
    grads = [param.grad for param in params if param.grad is not None]
    # The norm of the norms is the norm of all; multi-tensor kernels, as in ``clip_grad_norm_``.
    return torch.linalg.vector_norm(torch.stack(torch._foreach_norm(grads))) if grads else None


def drop_gradients(model: nn.Module, parts: Collection[str]) -> None:
    """Delete the gradient of parameters whose name contains one of ``parts``."""
    for name, param in model.named_parameters() if parts else ():
        if any(part in name for part in parts):
            param.grad = None
