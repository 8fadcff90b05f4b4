"""3x3 convolutions on tiny maps as matrix products: the same numbers, only where they pay."""

import copy
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from mmselfsup.models import build_backbone
from mmselfsup.models.utils import small_map_conv
from mmselfsup.models.utils.small_map_conv import (
    SmallMapConv2d,
    multiply_small_maps,
    small_map_conv2d,
)


@pytest.mark.parametrize("size", [(1, 1), (1, 2), (2, 1), (2, 2)])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_equals_torch_with_gradients(
    size: tuple[int, int], stride: int, bias: bool, layout: torch.memory_format
) -> None:
    def leaf(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, dtype=torch.float64)

    x = leaf(5, 3, *size).contiguous(memory_format=layout).requires_grad_()
    weight = leaf(4, 3, 3, 3).contiguous(memory_format=layout).requires_grad_()
    leaves = [x, weight, *([leaf(4).requires_grad_()] if bias else [])]
    extra = leaves[2] if bias else None
    expected = F.conv2d(x, weight, extra, stride, 1)
    found = small_map_conv2d(x, weight, extra, stride)
    torch.testing.assert_close(found, expected)
    towards = torch.randn_like(expected)
    torch.testing.assert_close(
        torch.autograd.grad(found, leaves, towards), torch.autograd.grad(expected, leaves, towards)
    )


def test_autocast_gives_bfloat16_as_a_convolution_does() -> None:
    conv = nn.Conv2d(8, 6, 3, padding=1, bias=False)
    other = copy.deepcopy(conv)
    assert multiply_small_maps(other) == 1
    x = torch.randn(64, 8, 2, 2)
    with torch.autocast("cpu", torch.bfloat16):
        expected, found = conv(x), other(x)
    assert found.dtype == expected.dtype == torch.bfloat16
    torch.testing.assert_close(found.float(), conv(x), atol=0.03, rtol=0.02)
    found.sum().backward()
    conv(x).sum().backward()
    assert other.weight.grad is not None
    assert other.weight.grad.dtype == torch.float32
    torch.testing.assert_close(other.weight.grad, conv.weight.grad, atol=0.3, rtol=0.02)


def resnet() -> Any:
    return build_backbone(dict(type="ResNet", depth=18, base_channels=8, out_indices=[4]))


def test_a_backbone_stays_what_it_was() -> None:
    plain = resnet()
    small = copy.deepcopy(plain)
    assert multiply_small_maps(small) == 16  # all but the stem and the three 1x1
    assert multiply_small_maps(small) == 0
    assert list(small.state_dict()) == list(plain.state_dict())
    views = torch.randn(64, 3, 64, 64)
    torch.testing.assert_close(small(views)[0], plain(views)[0], atol=1e-4, rtol=1e-4)
    copied = copy.deepcopy(small)
    assert sum(isinstance(module, SmallMapConv2d) for module in copied.modules()) == 16
    with torch.no_grad():
        for weight in copied.parameters():
            weight.zero_()
    assert not torch.equal(copied(views)[0], small(views)[0])  # a copy has weights of its own


@pytest.mark.parametrize(
    ("shape", "matrix"),
    [
        ((64, 4, 2, 2), True),
        ((0, 4, 1, 1), True),
        ((63, 4, 2, 2), False),
        ((1, 4, 1, 1), True),
        ((64, 4, 3, 2), False),
    ],
)
def test_only_where_it_pays(
    shape: tuple[int, ...], matrix: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []
    original = small_map_conv2d
    monkeypatch.setattr(
        small_map_conv,
        "small_map_conv2d",
        lambda *args: (calls.append(1), original(*args))[1],  # type: ignore[func-returns-value]
    )
    conv = nn.Conv2d(4, 4, 3, padding=1)
    x = torch.randn(shape)
    expected = conv(x)
    multiply_small_maps(conv)
    torch.testing.assert_close(conv(x), expected, atol=1e-5, rtol=1e-5)
    assert bool(calls) is matrix


@pytest.mark.parametrize(
    "options",
    [
        dict(kernel_size=1),
        dict(kernel_size=3),
        dict(kernel_size=3, padding=1, groups=2),
        dict(kernel_size=3, padding=2, dilation=2),
        dict(kernel_size=3, padding=1, stride=3),
        dict(kernel_size=3, padding=1, padding_mode="reflect"),
    ],
)
def test_other_convolutions_are_left_alone(options: dict[str, Any]) -> None:
    assert multiply_small_maps(nn.Conv2d(4, 4, **options)) == 0
