"""Mixed precision: which computations run in half precision and which in float32."""

import functools
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any, ParamSpec, TypeVar

import torch
from torch import Tensor

from mmselfsup.utils.device import fp16_dtype

P = ParamSpec("P")
R = TypeVar("R")


def mixed_precision(
    enabled: bool, like: Tensor | None, dtype: torch.dtype | None = None
) -> AbstractContextManager[object]:
    """Return the autocast region of a model's forward pass on the device of ``like``.

    If it is not enabled, or the device has no half precision for ``fp16`` (``fp16_dtype``), an
    autocast region of the caller stays active.

    Args:
        enabled: Whether to use half precision, as ``fp16`` does; a ``dtype`` enables it too.
        like: A tensor on the model's device; None of a batch without tensors.
        dtype: ``torch.float16`` or ``torch.bfloat16``; None takes that of ``fp16_dtype``: float16
            on GPUs, and on CPUs bfloat16 where there are instructions for it.
    """
    if like is None or like.is_meta or not (enabled or dtype is not None):
        return nullcontext()
    dtype = fp16_dtype(like.device) if dtype is None else dtype
    if dtype is None:
        return nullcontext()
    return torch.autocast(like.device.type, dtype=dtype)


def to_float32(value: Any) -> Any:
    """Return half-precision tensors as float32, and anything else unchanged."""
    if isinstance(value, Tensor) and value.dtype in (torch.float16, torch.bfloat16):
        return value.float()
    return value


def full_precision(function: Callable[P, R]) -> Callable[P, R]:
    """Return a function that runs ``function`` outside autocast, half-precision inputs as float32.

    Exponentials of similarities divided by a small temperature overflow in float16.

    Args:
        function: A loss with at least one tensor among its arguments.
    """

    @functools.wraps(function)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
        # ``enabled=False`` doesn't cast inputs, so half-precision ones are converted explicitly.
        first = next(v for v in (*args, *kwargs.values()) if isinstance(v, Tensor))
        with without_autocast(first.device.type):
            wide = [to_float32(v) for v in args]
            return function(*wide, **{k: to_float32(v) for k, v in kwargs.items()})

    return wrapped


def without_autocast(device: str) -> AbstractContextManager[Any]:
    """Return a region without autocast; on ``meta``, where shapes are checked, there is none.

    Args:
        device: Type of the device, such as ``"cuda"``.
    """
    return nullcontext() if device == "meta" else torch.autocast(device, enabled=False)
