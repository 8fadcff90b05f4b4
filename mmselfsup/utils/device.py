"""Devices: the only module with names of devices."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from .errors import UserError

_use_gpus = True


def choose_device(name: str | None) -> None:
    """Set the device on which this process computes from now on.

    Args:
        name: ``'cpu'`` even if there is a GPU; ``'cuda'`` only on a GPU; None on a GPU where there
            is one.

    Raises:
        UserError: The name is another one, or there is no GPU for ``'cuda'``.
    """
    global _use_gpus
    if name not in (None, "cpu", "cuda"):
        raise UserError(f"device={name!r}: use 'cpu' or 'cuda' (and --gpu-id for which GPU)")
    if name == "cuda" and not torch.cuda.is_available():
        raise UserError(
            "device='cuda': there is no GPU that PyTorch can use; leave it out, or 'cpu'"
        )
    _use_gpus = name != "cpu"


def num_gpus() -> int:
    """Return the number of GPUs that this process may use."""
    return torch.cuda.device_count() if _use_gpus and torch.cuda.is_available() else 0


def default_device() -> torch.device:
    """Return the current GPU where one is in use, else the CPU."""
    if num_gpus():
        return torch.device("cuda", torch.cuda.current_device())
    return torch.device("cpu")


def has_bfloat16(device: torch.device) -> bool:
    """Return whether a device computes in bfloat16 faster than in float32."""
    if device.type != "cpu":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    # Private functions that a version of PyTorch may lack; ``bool()`` then answers False.
    checks = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return any(getattr(torch.cpu, check, bool)() for check in checks)


def fp16_dtype(device: torch.device) -> torch.dtype | None:
    """Return the type that ``fp16`` selects on a device; None for full precision.

    It is float16 on a GPU. On a CPU it is bfloat16 where there are instructions for it; without
    them half precision would only be slower.
    """
    if device.type == "cpu":
        return torch.bfloat16 if has_bfloat16(device) else None
    return torch.float16


def to_device(data: Any, device: torch.device) -> Any:
    """Move all tensors in nested dicts, lists and tuples; anything else is unchanged.

    A ``DataContainer`` of mmcv's collate function is unpacked: the data of its one device.

    Args:
        data: A batch of the loader.
        device: Target device; tensors that are on it already are not copied.
    """
    if isinstance(data, Tensor):
        return data.to(device, non_blocking=True)
    if isinstance(data, Mapping):
        return {key: to_device(value, device) for key, value in data.items()}
    if isinstance(data, tuple) and hasattr(data, "_fields"):
        # A named tuple takes its fields one by one.
        return type(data)(*(to_device(value, device) for value in data))
    if isinstance(data, (list, tuple)):
        return type(data)(to_device(value, device) for value in data)
    # By name, so that this module does not import mmcv.
    if type(data).__name__ == "DataContainer":
        return _unpack_container(data, device)
    return data


def _unpack_container(container: Any, device: torch.device) -> Any:
    """Return the content of mmcv's container: a list with one entry per device, here one."""
    content = container.data
    if isinstance(content, list) and len(content) == 1:
        content = content[0]
    return content if container.cpu_only else to_device(content, device)


def first_tensor(data: Any) -> Tensor | None:
    """Return the first tensor in nested dicts, lists and tuples; None without one."""
    if isinstance(data, Tensor):
        return data
    items = data.values() if isinstance(data, Mapping) else data
    found = map(first_tensor, items if isinstance(data, (Mapping, list, tuple)) else ())
    return next((tensor for tensor in found if tensor is not None), None)


def batch_size(data: Any) -> int:
    """Return the number of samples in a batch: rows of its first tensor, 1 without a tensor."""
    if isinstance(data, Tensor):
        return data.shape[0] if data.dim() else 1
    if isinstance(data, Mapping):
        data = [data["img"]] if "img" in data else list(data.values())
    if isinstance(data, (list, tuple)):
        for value in data:
            if isinstance(value, (Tensor, Mapping, list, tuple)):
                return batch_size(value)
    return 1
