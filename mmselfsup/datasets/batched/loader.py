"""Loaders that finish their batches on the model's device: the base class, and augmentation.

Letters: N images, S, T size of a view.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

import torch

from mmselfsup.utils.device import default_device, to_device
from mmselfsup.utils.errors import ArgumentError
from mmselfsup.utils.side_stream import beside_step

if TYPE_CHECKING:
    from .deferred import DeferredBatch
    from .pipeline import BatchedPipeline


class DeviceLoader(ABC):
    """A wrapper of a loader that finishes its batches on the device of the model.

    It has the attributes of the loader inside it (``dataset``, ...), and runs on a CPU too. On a
    GPU its work runs beside the step before (see ``beside_step``).

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
            yield beside_step(partial(self._arrived, batch, device), device)

    def _arrived(self, batch: dict[str, Any], device: torch.device) -> dict[str, Any]:
        """Tell the listeners, then finish the batch; on a GPU both in its side stream."""
        for notify in self.listeners:
            notify()
        return self.finish(batch, device)

    def __len__(self) -> int:
        return len(self.loader)

    def __getattr__(self, name: str) -> Any:
        if name == "loader" or name.startswith("__"):  # not set yet while a copy is unpickled
            raise AttributeError(name)
        return getattr(self.loader, name)


class AugmentingLoader(DeviceLoader):
    """A loader that replaces the pixels and parameters of a batch by its views.

    Args:
        loader: Yields dicts with a ``DeferredBatch`` as ``img``.
        batched_pipelines: One for each view; not a list: ``img`` is this one view.
        device: See ``DeviceLoader``.
    """

    def __init__(
        self,
        loader: Any,
        batched_pipelines: BatchedPipeline | list[BatchedPipeline],
        device: torch.device | None = None,
    ) -> None:
        super().__init__(loader, device)
        self.batched_pipelines = batched_pipelines

    def finish(self, batch: dict[str, Any], device: torch.device) -> dict[str, Any]:
        return {**to_device(batch, device), "img": self._views(batch["img"], device)}

    def _views(self, deferred: DeferredBatch, device: torch.device) -> Any:
        """Return each view, [N, 3, S, T] float32, or a list of it and its mask."""
        own = self.batched_pipelines
        pipelines = own if isinstance(own, list) else [own]
        views = deferred.views(pipelines, device)
        return views if isinstance(own, list) else views[0]


def batched_pipelines_of(dataset: Any) -> BatchedPipeline | list[BatchedPipeline] | None:
    """Return the batched pipelines of a dataset, None where its workers make the views.

    Args:
        dataset: May be a wrapper such as ``ConcatDataset`` and ``RepeatDataset``.

    Raises:
        ArgumentError: Joined datasets have different ones.
    """
    # None (made by the workers) and () (no such option) are the same here.
    per_part = [getattr(part, "batched_pipelines", None) or None for part in _parts(dataset)]
    if len({_text(pipelines) for pipelines in per_part}) > 1:
        raise ArgumentError(
            "device_transforms: joined data sets need the same pipelines and all of them "
            "device_transforms=True, or none"
        )
    return per_part[0] if per_part else None


def _parts(dataset: Any) -> Iterator[Any]:
    """Yield the datasets inside wrappers, or the dataset itself."""
    inner = getattr(dataset, "dataset", None)
    parts = getattr(dataset, "datasets", [] if inner is None else [inner])
    if not parts:
        yield dataset
    for part in parts:
        yield from _parts(part)


def _text(pipelines: Any) -> str:
    """Return the transforms as text, equal for equal pipelines."""
    if isinstance(pipelines, list):
        return repr([pipeline.text for pipeline in pipelines])
    return repr(pipelines and pipelines.text)
