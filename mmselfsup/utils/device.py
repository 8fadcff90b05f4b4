"""Where tensors live: the one place that knows the words for devices."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from .errors import UserError

_gpus_are_wanted = True


def choose_device(name: str | None) -> None:
    """Say where this process computes from now on.

    Args:
        name: ``'cpu'`` although there may be a GPU, ``'cuda'`` on a GPU and nowhere else, None
            where there is one.

    Raises:
        UserError: another name, or there is no GPU.
    """
    global _gpus_are_wanted
    if name not in (None, "cpu", "cuda"):
        raise UserError(f"device={name!r}: use 'cpu' or 'cuda' (and --gpu-id for which GPU)")
    if name == "cuda" and not torch.cuda.is_available():
        raise UserError(
            "device='cuda': there is no GPU that PyTorch can use; leave it out, or 'cpu'"
        )
    _gpus_are_wanted = name != "cpu"


def num_gpus() -> int:
    """Number of GPUs that this process may use."""
    return torch.cuda.device_count() if _gpus_are_wanted and torch.cuda.is_available() else 0


def default_device() -> torch.device:
    """The current GPU where there is one to be used, else the CPU."""
    if num_gpus():
        return torch.device("cuda", torch.cuda.current_device())
    return torch.device("cpu")


def to_device(data: Any, device: torch.device) -> Any:
    """Move all tensors in nested dicts, lists and tuples; anything else stays as it is.

    A ``DataContainer`` of mmcv's collate function is unpacked: the data of its one device.

    Args:
        data: a batch as the loader gives it.
        device: where the tensors shall live; tensors that are there already are not copied.
    """
    if isinstance(data, Tensor):
        return data.to(device, non_blocking=True)
    if isinstance(data, Mapping):
        return {key: to_device(value, device) for key, value in data.items()}
    if isinstance(data, tuple) and hasattr(data, "_fields"):
        return type(data)(*(to_device(value, device) for value in data))
    if isinstance(data, (list, tuple)):
        return type(data)(to_device(value, device) for value in data)
    if type(data).__name__ == "DataContainer":
        return _unpack_container(data, device)
    return data


def _unpack_container(container: Any, device: torch.device) -> Any:
    """The content of mmcv's container: a list with one entry for each device, here one."""
    content = container.data
    if isinstance(content, list) and len(content) == 1:
        content = content[0]
    return content if container.cpu_only else to_device(content, device)


def batch_size(data: Any) -> int:
    """Number of samples in a batch: rows of the first tensor found in it, 1 if there is none."""
    if isinstance(data, Tensor):
        return data.shape[0] if data.dim() else 1
    if isinstance(data, Mapping):
        data = [data["img"]] if "img" in data else list(data.values())
    if isinstance(data, (list, tuple)):
        for value in data:
            if isinstance(value, (Tensor, Mapping, list, tuple)):
                return batch_size(value)
    return 1
