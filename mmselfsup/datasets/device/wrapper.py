"""What the loaders that work on the model's device have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from typing import Any

import torch

from ...utils.device import default_device


class DeviceLoader(ABC):
    """Goes round a loader, whose batches it finishes on the device where the model lives.

    It looks like the loader inside it (`dataset`, `sampler`, ...), and runs on a CPU too.

    Args:
        loader: Yields dicts.
        device: Where the batches go; by default the current GPU, or the CPU if there is none.

    Attributes:
        listeners: Called when a batch has come, before any of it goes to the device.
    """

    def __init__(self, loader: Any, device: torch.device | None = None) -> None:
        self.loader, self.device = loader, device
        self.listeners: list[Callable[[], None]] = []

    @abstractmethod
    def finish(self, batch: dict[str, Any], device: torch.device) -> dict[str, Any]:
        """Move a batch to the device, and do what is left to do."""

    def __iter__(self) -> Iterator[dict[str, Any]]:
        device = self.device or default_device()
        for batch in self.loader:
            for heard in self.listeners:
                heard()
            yield self.finish(batch, device)

    def __len__(self) -> int:
        return len(self.loader)

    def __getattr__(self, name: str) -> Any:
        if name == "loader" or name.startswith("__"):
            raise AttributeError(name)
        return getattr(self.loader, name)
