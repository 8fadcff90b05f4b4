"""Augmentation in batches on the model's device: `device_transforms=True` in a dataset.

A worker draws the random numbers of each view, with the same calls in the same order as the
transforms themselves do, so that one seed means the same crop, flip, order and strength on both
ways; pixels travel as they were decoded. The loader then does the work for a whole batch at once.
"""

from .collate import Deferred, DeferredBatch, defer, join
from .loader import AugmentingLoader, plans_of
from .plan import TWINS, ViewPlan, view_plan

__all__ = [
    "TWINS",
    "AugmentingLoader",
    "Deferred",
    "DeferredBatch",
    "ViewPlan",
    "defer",
    "join",
    "plans_of",
    "view_plan",
]
