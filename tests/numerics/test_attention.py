"""Attention with few tokens in bfloat16 on a CPU, which has a backward pass of its own."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from mmselfsup.models.utils.attention import _MOST_KEYS, attention


def parts(queries: int, keys: int, dtype: torch.dtype = torch.bfloat16) -> list[Tensor]:
    """Return queries, keys and values of 2 images and 3 heads as a projection lays them out."""
    generator = torch.Generator().manual_seed(0)
    return [
        torch.randn(2, tokens, 3, 16, generator=generator)
        .to(dtype)
        .transpose(1, 2)
        .requires_grad_()
        for tokens in (queries, keys, keys)
    ]


def results(inputs: list[Tensor], dtype: torch.dtype) -> list[Tensor]:
    """Return torch's output in ``dtype``, and the gradients of a weighted sum of it."""
    copies = [x.detach().to(dtype).requires_grad_() for x in inputs]
    query, key, value = copies
    out = F.scaled_dot_product_attention(query, key, value, scale=0.5)
    return [
        out,
        *torch.autograd.grad(out, copies, torch.linspace(-1, 1, 16).to(out).expand_as(out)),
    ]


def distance(got: Tensor, wanted: Tensor) -> float:
    return float((got.double() - wanted).norm() / wanted.norm())


@pytest.mark.parametrize(("queries", "keys"), [(1, 1), (17, 17), (65, 65), (5, 20)])
def test_as_exact_as_the_kernel_of_torch(queries: int, keys: int) -> None:
    inputs = parts(queries, keys)
    exact = results(inputs, torch.float64)
    kernel = results(inputs, torch.bfloat16)
    query, key, value = inputs
    out = attention(query, key, value, scale=0.5)
    assert out.grad_fn is not None
    assert out.grad_fn.name() == "_FewTokensBackward"
    grads = torch.autograd.grad(out, inputs, torch.linspace(-1, 1, 16).to(out).expand_as(out))
    torch.testing.assert_close(out, kernel[0])
    for grad, part, of_torch, wanted in zip(grads, inputs, kernel[1:], exact[1:], strict=True):
        assert grad.dtype == torch.bfloat16
        assert grad.shape == part.shape
        if keys == 1 and wanted.norm() == 0:  # one weight of 1, whatever query and key are
            torch.testing.assert_close(grad.double(), wanted)
        else:
            assert distance(grad, wanted) < max(0.005, 1.2 * distance(of_torch, wanted))


@pytest.mark.parametrize("compiled", [False, True])
def test_exact_for_peaked_weights_under_autocast(compiled: bool) -> None:
    """A compiled backward pass has the products in float32, too."""
    query, key, value = (
        (3 * part.detach()).requires_grad_() if number < 2 else part
        for number, part in enumerate(parts(17, 17))
    )
    part = torch.compile(attention, backend="aot_eager") if compiled else attention
    with torch.autocast("cpu", torch.bfloat16):
        out = part(query, key, value, 0.5)
    grads = torch.autograd.grad(
        out, (query, key, value), torch.linspace(-1, 1, 16).to(out).expand_as(out)
    )
    _, *exact = results([query, key, value], torch.float64)
    for grad, wanted in zip(grads, exact, strict=True):
        assert distance(grad, wanted) < 0.005


@pytest.mark.parametrize("other", ["float32", "many keys", "bias", "dropout", "no gradient"])
def test_others_take_the_kernel_of_torch(other: str) -> None:
    keys = _MOST_KEYS + 1 if other == "many keys" else 7
    dtype = torch.float32 if other == "float32" else torch.bfloat16
    query, key, value = parts(7, keys, dtype)
    bias = torch.randn(3, 7, keys).bfloat16() if other == "bias" else None
    dropout = 0.5 if other == "dropout" else 0.0
    with torch.set_grad_enabled(other != "no gradient"):
        torch.manual_seed(0)
        got = attention(query, key, value, scale=0.5, bias=bias, dropout=dropout)
        torch.manual_seed(0)
        wanted = F.scaled_dot_product_attention(
            query, key, value, attn_mask=bias, dropout_p=dropout, scale=0.5
        )
    torch.testing.assert_close(got, wanted, rtol=0, atol=0)
    assert got.grad_fn is None or got.grad_fn.name() != "_FewTokensBackward"


def test_half_trained_attention() -> None:
    """A frozen projection leaves gradients of some parts out."""
    query, key, value = parts(5, 6)
    attention(query.detach(), key, value.detach(), 0.5).sum().backward()
    assert query.grad is None
    assert key.grad is not None
