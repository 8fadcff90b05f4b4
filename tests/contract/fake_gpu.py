"""A GPU that only exists as types: what a step would do on one, without having one.

PyTorch's fake tensors have a shape, a dtype and a device, and no values. Operations on them check
that their arguments are on one device, and fail where the host would have to read a value.
"""

import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import (
    DataDependentOutputException,
    DynamicOutputShapeException,
    FakeTensorMode,
    unset_fake_temporarily,
)
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map_only

import mmselfsup

_PACKAGE = str(Path(mmselfsup.__file__).parent)
_GPU = torch.device("cuda", 0)


class HostWaits(AssertionError):
    """The host waits for the GPU: it reads a value, or copies to it in the way of the step."""


class _FakeGpu(TorchDispatchMode):
    """Operations on the GPU give fake tensors, those on the CPU run; waits raise ``HostWaits``.

    For use inside a ``FakeTensorMode``, without which PyTorch looks for a driver.
    """

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        given = [x for x in tree_leaves((args, kwargs)) if isinstance(x, Tensor)]
        if not any(map(_is_on_gpu, [*given, kwargs.get("device")])):
            with unset_fake_temporarily():
                return func(*args, **kwargs)
        try:
            out = func(*args, **kwargs)
        except (DataDependentOutputException, DynamicOutputShapeException) as error:
            raise HostWaits(f"{func} reads a value {_place()}") from error
        made = [x for x in tree_leaves(out) if isinstance(x, Tensor)]
        # A tensor of one number beside GPU tensors goes along as an argument of the kernel.
        is_copy = "copy" in str(func) and len({_is_on_gpu(x) for x in (*given, *made)}) == 2
        if is_copy and not (made and _is_on_gpu(made[0]) and _is_queued(args, kwargs)):
            raise HostWaits(f"{func} copies {tuple(given[-1].shape)} {_place()}")
        return out


def _is_on_gpu(value: Any) -> bool:
    """Return whether a tensor, or a device, is the GPU."""
    device = getattr(value, "device", value)
    return device is not None and torch.device(device).type == "cuda"


def _is_queued(args: Any, kwargs: dict[str, Any]) -> bool:
    """Return whether a copy is queued, not waited for."""
    return bool(kwargs.get("non_blocking", args[-1] is True))


def _place() -> str:
    """Return the line of the package that is running."""
    lines = [f for f in traceback.extract_stack() if f.filename.startswith(_PACKAGE)]
    return f"in {lines[-1].filename}:{lines[-1].lineno}" if lines else "outside the package"


@contextmanager
def fake_gpu() -> Iterator[None]:
    """Inside, tensors on the GPU are fake, and whatever makes the host wait for it is an error.

    Raises:
        HostWaits: The host waits.
        RuntimeError: An operation mixes devices.
    """
    with FakeTensorMode(allow_non_fake_inputs=True), _FakeGpu():
        yield


def on_gpu(data: Any) -> Any:
    """Return nested tensors as fake ones on the GPU; call it inside ``fake_gpu``."""
    return tree_map_only(Tensor, _as_fake, data)


def move_to_gpu(model: nn.Module) -> None:
    """Replace parameters and buffers by fake ones on the GPU; call it inside ``fake_gpu``."""
    moved: dict[int, Tensor] = {}
    for module in model.modules():
        for tensors in (module._parameters, module._buffers):
            for name, tensor in tensors.items():
                if tensor is not None:
                    tensors[name] = moved.setdefault(id(tensor), _as_fake(tensor))  # type: ignore[assignment]


def _as_fake(tensor: Tensor) -> Tensor:
    fake = torch.empty_strided(tensor.shape, tensor.stride(), dtype=tensor.dtype, device=_GPU)
    return nn.Parameter(fake, tensor.requires_grad) if isinstance(tensor, nn.Parameter) else fake
