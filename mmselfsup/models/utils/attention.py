"""Scaled dot-product attention, with a faster backward pass in bfloat16 on CPUs.

Letters: N images, A attention heads, Q queries, K keys, D channels of a head.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

# Keys up to which the backward pass below is the faster one: both passes take a quarter of the time
# at 17 keys, a half at 101, as long at 197 (benchmarks/attention.py).
_MOST_KEYS = 128


def attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    scale: float,
    bias: Tensor | None = None,
    dropout: float = 0.0,
) -> Tensor:
    """Return the values averaged by the softmax of the scaled products, [N, A, Q, D].

    It is torch's ``scaled_dot_product_attention``, which stores no attention weights where a fused
    kernel exists. The backward pass of its bfloat16 kernel for CPUs is slow where tokens are few,
    as those of images of 64 pixels; there, the weights are computed again and multiplied as
    matrices.

    Args:
        query: [N, A, Q, D].
        key: [N, A, K, D].
        value: [N, A, K, D].
        scale: Factor of the products.
        bias: Added to the scaled products, [A, Q, K] or more dimensions; None for none.
        dropout: Share of the weights that are left out, 0 to 1.
    """
    plain = bias is None and dropout == 0.0
    if plain and _has_slow_backward(query, key, value):
        return _FewTokens.apply(query, key, value, scale)
    return F.scaled_dot_product_attention(
        query, key, value, attn_mask=bias, dropout_p=dropout, scale=scale
    )


def _has_slow_backward(*parts: Tensor) -> bool:
    """Return whether these tensors will have the backward pass that is slow."""
    query, key, _ = parts
    return (
        query.device.type == "cpu"
        and query.dtype == torch.bfloat16
        and key.shape[-2] <= _MOST_KEYS
        and torch.is_grad_enabled()
        and any(part.requires_grad for part in parts)
    )


class _FewTokens(torch.autograd.Function):
    """Attention that keeps queries, keys and values, and computes the weights in both passes."""

    @staticmethod
    def forward(ctx: Any, query: Tensor, key: Tensor, value: Tensor, scale: float) -> Tensor:
        ctx.save_for_backward(query, key, value)
        ctx.scale = scale
        return F.scaled_dot_product_attention(query, key, value, scale=scale)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        # A compiled backward pass is traced within the autocast region of the forward pass.
        with torch.autocast(grad.device.type, enabled=False):
            query, key, value = ctx.saved_tensors
            return *_gradients(grad, query, key, value, ctx.scale), None


def _gradients(
    grad: Tensor, query: Tensor, key: Tensor, value: Tensor, scale: float
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the gradients of queries, keys and values for that of the output, [N, A, Q, D]."""
    # Products of queries and keys in float32: the softmax amplifies their rounding.
    weights = (scale * query.float() @ key.float().mT).softmax(dim=-1)  # [N, A, Q, K]
    of_weights = (grad @ value.mT).float()  # [N, A, Q, K]
    centred = of_weights - (of_weights * weights).sum(dim=-1, keepdim=True)
    of_products = (scale * weights * centred).to(grad.dtype)
    return of_products @ key, of_products.mT @ query, weights.to(grad.dtype).mT @ grad
