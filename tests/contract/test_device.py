"""Every registered algorithm trains on each device of this machine, in each precision."""

import copy
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from tiny_models import TINY
from torch.testing import assert_close
from two_ranks import make, two_steps

from mmselfsup.models import build_algorithm
from mmselfsup.utils.device import to_device

NAMES = sorted(TINY)


@pytest.fixture
def no_onednn_on_cpu(device: torch.device) -> Iterator[None]:
    """Leave oneDNN out on the CPU, whose convolutions of few channels write past their buffer.

    The weight gradient of a 1x1 convolution with a stride, in channels_last and with fewer input
    channels than a block of the kernel (8 with AVX2), damages the heap and ends the process
    (uxlfoundation/oneDNN#6035, seen with torch 2.15.0). The tiny ResNets have 4; a
    ResNet of the usual width has 64 and more.
    """
    with torch.backends.mkldnn.flags(enabled=device.type != "cpu"):
        yield


def moved(name: str, device: torch.device) -> dict[str, Any]:
    """Return the results of two steps on a device, in float64."""
    model, batch = make(name)
    return two_steps(model.to(device), model, to_device(batch, device))


@pytest.mark.parametrize("name", NAMES)
def test_two_steps(name: str, device: torch.device) -> None:
    model, _ = make(name)
    result = moved(name, device)
    after = result["state"]
    assert {value.device.type for value in after.values()} == {device.type}
    assert torch.isfinite(torch.tensor(result["losses"])).all()
    assert any(not torch.equal(p, after[key].cpu()) for key, p in model.named_parameters())
    if TINY[name].joined:  # the others draw, and devices draw different numbers
        expected = moved(name, torch.device("cpu"))
        assert result["losses"] == pytest.approx(expected["losses"], rel=1e-6)
        for key, value in expected["state"].items():
            assert_close(after[key].cpu(), value, rtol=1e-5, atol=1e-7, msg=key)


@pytest.mark.usefixtures("no_onednn_on_cpu")
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_two_steps_in_each_precision(name: str, dtype: torch.dtype, device: torch.device) -> None:
    if dtype is torch.float16 and device.type == "cpu":
        pytest.skip("float16 is for GPUs")
    torch.manual_seed(0)
    model = build_algorithm(copy.deepcopy(TINY[name].cfg))
    model.init_weights()
    TINY[name].prepare(model)
    before = {key: value.clone() for key, value in model.named_parameters()}
    model.to(device, memory_format=torch.channels_last)
    batch = to_device(TINY[name].batch(8, torch.Generator().manual_seed(0)), device)
    model.amp_dtype = None if dtype is torch.float32 else dtype
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    scaler = torch.amp.GradScaler(device.type, enabled=dtype is torch.float16, init_scale=64.0)
    for _ in range(2):
        optimizer.zero_grad()
        loss, _ = model._parse_losses(model(**batch))
        assert loss.dtype is torch.float32
        assert torch.isfinite(loss)
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
    weights = dict(model.named_parameters())
    assert all(p.dtype is torch.float32 and torch.isfinite(p).all() for p in weights.values())
    assert any(not torch.equal(p.cpu(), before[key]) for key, p in weights.items())
