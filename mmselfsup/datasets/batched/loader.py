"""The loader that augments whole batches on the model's device."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from mmselfsup.utils.device import to_device
from mmselfsup.utils.errors import ArgumentError

from .collate import DeferredBatch
from .wrapper import DeviceLoader

if TYPE_CHECKING:
    from .plan import BatchedPipeline


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

    def _views(self, deferred: DeferredBatch, device: torch.device) -> Tensor | list[Tensor]:
        """Return each view, [N, 3, S, T] float32."""
        own = self.batched_pipelines
        pipelines = own if isinstance(own, list) else [own]
        # Pixels travel as bytes, once for all views of an image, and become floats on the device.
        pixels = deferred.pixels.to(device, non_blocking=True).float()
        views = []
        for pipeline, rows, params in zip(pipelines, deferred.rows, deferred.params, strict=True):
            images = pixels
            if rows is not None:
                images = pixels.index_select(0, rows.to(device, non_blocking=True))
            views.append(pipeline.apply(images, params))
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
