"""The clustering of SMoG, which spreads its groups over the images again."""

from typing import Any

from mmcv.runner import HOOKS, Hook

from mmselfsup.utils.data_info import DataInfo
from mmselfsup.utils.errors import UserError
from mmselfsup.utils.module import unwrap


@HOOKS.register_module()
class SMoGHook(Hook):  # type: ignore[misc]
    """A hook that replaces the groups by a clustering of the head's queue.

    Pang et al. 2022 (SMoG), section 3: without it a few groups take more and more images. The
    first time is when the queue is full; then it follows the interval. Only the iteration counts,
    so a resumed run needs no stored state.

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

    def after_train_iter(self, runner: Any) -> None:
        """Cluster where the queue has become full, and every ``interval`` iterations after that."""
        length = self._head.others.queue.shape[1]
        before, now = runner.iter * self._batch, (runner.iter + 1) * self._batch
        becomes_full = before < length <= now
        if becomes_full or (now >= length and self.every_n_iters(runner, self.interval)):
            self._head.regroup()
