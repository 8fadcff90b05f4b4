"""The base class of the loaders that work on the model's device."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from typing import Any

import torch

from mmselfsup.utils.device import default_device


class DeviceLoader(ABC):
    """A wrapper of a loader that finishes its batches on the device of the model.

    It has the attributes of the loader inside it (``dataset``, ...), and runs on a CPU too.

    Args:
        loader: Yields dicts.
        device: Device of the batches; by default the current GPU, or the CPU if there is none.

    Attributes:
        listeners: Functions called for each batch, before any of it goes to the device.
    """

    def __init__(self, loader: Any, device: torch.device | None = None) -> None:
        self.loader, self.device = loader, device
        self.listeners: list[Callable[[], None]] = []

    @abstractmethod
    def finish(self, batch: dict[str, Any], device: torch.device) -> dict[str, Any]:
        """Return the batch on the device, with its remaining steps done."""

    def __iter__(self) -> Iterator[dict[str, Any]]:
        device = self.device or default_device()
        for batch in self.loader:
            for notify in self.listeners:
                notify()
            yield self.finish(batch, device)

    def __len__(self) -> int:
        return len(self.loader)

    def __getattr__(self, name: str) -> Any:
        if name == "loader" or name.startswith("__"):  # not set yet while a copy is unpickled
            raise AttributeError(name)
        return getattr(self.loader, name)
