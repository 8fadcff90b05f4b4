"""The clustering of SMoG, which spreads its groups over the images again."""

from collections.abc import Mapping
from typing import Any

import torch
from mmcv.runner import HOOKS, Hook
from torch import Tensor

from mmselfsup.utils.data_info import DataInfo
from mmselfsup.utils.errors import UserError
from mmselfsup.utils.module import unwrap


@HOOKS.register_module()
class SMoGHook(Hook):  # type: ignore[misc]
    """A hook that replaces the groups by a clustering of the head's queue.

    Pang et al. 2022 (SMoG), section 3: without it a few groups take more and more images. The
    first time is when the queue is full; then it follows the interval. How many projections have
    entered the queue is in the checkpoint (``hook_state``).

    Args:
        interval: Iterations from one clustering to the next, at least 1.

    Raises:
        UserError: The interval is no number from 1; or, before the first iteration, the queue is
            shorter than the number of groups, or the model has no groups.
    """

    def __init__(self, interval: int = 300) -> None:
        if not isinstance(interval, int) or interval < 1:
            raise UserError(f"SMoGHook.interval is {interval!r}: give an integer from 1")
        self.interval = interval
        self._batch = 1
        self._head: Any = None
        self._pushed: int | None = None

    def fit_dataset(self, size: DataInfo) -> None:
        """Note the size of a batch."""
        self._batch = size.batch_size

    def before_run(self, runner: Any) -> None:
        """Find the head, and check that its queue can fill the groups."""
        model: Any = unwrap(runner.model)
        self._head = getattr(model, "head", None)
        if not hasattr(self._head, "regroup"):
            raise UserError(
                f"custom_hooks: SMoGHook needs SMoGHead in the model, which {type(model).__name__} "
                "doesn't have"
            )
        length, groups = self._head.others.queue.shape[1], len(self._head.groups)
        if length < groups:
            raise UserError(
                f"SMoGHook: {length} projections in the queue can't make {groups} groups: lower "
                "model.head.num_groups, or raise model.head.queue_len"
            )
        if self._pushed is None or runner.iter == 0:  # new, or resumed from an older version
            self._pushed = runner.iter * self._batch

    def after_train_iter(self, runner: Any) -> None:
        """Cluster where the queue has become full, and every ``interval`` iterations after that."""
        length = self._head.others.queue.shape[1]
        before = self._pushed or 0
        # The last batch of an epoch may be smaller.
        now = self._pushed = before + runner.outputs["num_samples"] * runner.world_size
        becomes_full = before < length <= now
        if becomes_full or (now >= length and self.every_n_iters(runner, self.interval)):
            self._head.regroup()

    def state_dict(self) -> dict[str, Tensor]:
        """Return how many projections have entered the queue: ``pushed``, shape [] (int64)."""
        return {"pushed": torch.tensor(self._pushed or 0)}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Load what ``state_dict`` returned; it is used when the run begins."""
        self._pushed = int(state["pushed"]) if "pushed" in state else None
