"""The loader that augments whole batches on the model's device."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from ...utils.device import to_device
from ...utils.errors import ArgumentError
from .collate import DeferredBatch
from .wrapper import DeviceLoader

if TYPE_CHECKING:
    from .plan import ViewPlan


class AugmentingLoader(DeviceLoader):
    """A loader whose batches hold views in the place of pixels and numbers.

    Args:
        loader: Yields dicts with a `DeferredBatch` as `img`.
        plans: One for each view; not a list: `img` is this one view.
        device: See `DeviceLoader`.
    """

    def __init__(
        self, loader: Any, plans: ViewPlan | list[ViewPlan], device: torch.device | None = None
    ) -> None:
        super().__init__(loader, device)
        self.plans = plans

    def finish(self, batch: dict[str, Any], device: torch.device) -> dict[str, Any]:
        return {**to_device(batch, device), "img": self._views(batch["img"], device)}

    def _views(self, deferred: DeferredBatch, device: torch.device) -> Tensor | list[Tensor]:
        """[N, 3, S, T] float32 for each view."""
        plans = self.plans if isinstance(self.plans, list) else [self.plans]
        pixels = deferred.pixels.to(device, non_blocking=True).float()
        views = []
        for plan, rows, numbers in zip(plans, deferred.rows, deferred.numbers, strict=True):
            own = pixels
            if rows is not None:
                own = pixels.index_select(0, rows.to(device, non_blocking=True))
            views.append(plan.apply(own, numbers))
        return views if isinstance(self.plans, list) else views[0]


def plans_of(dataset: Any) -> ViewPlan | list[ViewPlan] | None:
    """What the batches of a dataset have to go through, None where its samples are ready.

    Args:
        dataset: May be a wrapper such as `ConcatDataset` and `RepeatDataset`.

    Raises:
        ArgumentError: Joined datasets differ in it.
    """
    found = [getattr(part, "plans", None) or None for part in _parts(dataset)]
    if len({_text(plans) for plans in found}) > 1:
        raise ArgumentError(
            "device_transforms: joined data sets need the same pipelines and all of them "
            "device_transforms=True, or none"
        )
    return found[0] if found else None


def _parts(dataset: Any) -> Iterator[Any]:
    inner = getattr(dataset, "dataset", None)
    parts = getattr(dataset, "datasets", [] if inner is None else [inner])
    if not parts:
        yield dataset
    for part in parts:
        yield from _parts(part)


def _text(plans: Any) -> str:
    return repr([plan.text for plan in plans] if isinstance(plans, list) else plans and plans.text)
