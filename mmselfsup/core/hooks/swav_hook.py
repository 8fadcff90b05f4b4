"""The queue of SwAV: its start, its length, and its state in a checkpoint."""

from collections.abc import Sequence
from typing import Any

import torch
from mmcv.runner import HOOKS, Hook
from torch import Tensor

from mmselfsup.utils import dist
from mmselfsup.utils.data_info import DataInfo
from mmselfsup.utils.errors import UserError
from mmselfsup.utils.module import module_device, unwrap

from .finetune_hooks import needs_epochs

_PAPER_LENGTH = 3840  # with batches of 256 images


@HOOKS.register_module()
class SwAVHook(Hook):  # type: ignore[misc]
    """A queue of earlier projections for the head, so that small batches get balanced codes.

    Caron et al. 2020 (SwAV), section 3.1. The queue is saved and resumed with the checkpoint.

    Args:
        batch_size: Images of one iteration in one process, from 0.x; that of the data is used, with
            a warning in the log where the two differ. None takes it from the data.
        epoch_queue_starts: Epochs without a queue at the start, while projections are poor.
        crops_for_assign: The views that get codes, as in the head.
        feat_dim: Width of a projection.
        queue_length: Projections of each view over all processes, at any batch size; 0 means no
            queue. None takes whole batches: the paper's 3840, or fewer for a small data set.
        interval: Unused, from 0.x.

    Raises:
        UserError: The length is negative; or, before the first iteration, it is above the number of
            images, or views or width are not those of the head.

    Difference from 0.x, where a length was cut to whole batches, which silently made it 0 where a
    batch was longer; each process had its own part of the queue, and its own file for a resume.
    """

    def __init__(
        self,
        batch_size: int | None = None,
        epoch_queue_starts: int = 15,
        crops_for_assign: Sequence[int] = [0, 1],
        feat_dim: int = 128,
        queue_length: int | None = 0,
        interval: int = 1,
    ) -> None:
        if queue_length is not None and queue_length < 0:
            raise UserError(f"SwAVHook.queue_length is {queue_length}: 0 is no queue, or give more")
        self.batch_size, self.feat_dim, self.interval = batch_size, feat_dim, interval
        self.epoch_queue_starts = epoch_queue_starts
        self.crops_for_assign = list(crops_for_assign)
        self.queue_length = _PAPER_LENGTH if queue_length is None else queue_length
        self.queue: Tensor | None = None  # of the last epoch, or resumed
        self._derive_length = queue_length is None
        self._notes: list[str] = []
        self._head: Any = None

    def fit_dataset(self, size: DataInfo) -> None:
        """Check the length against the data, or derive it from them."""
        own, batch = size.batch_size // dist.get_world_size(), size.batch_size
        if self.batch_size not in (None, own):
            self._notes.append(f"batch_size={self.batch_size}, but there are {own} images in one")
        self.batch_size = own
        most = size.num_images // batch * batch or size.num_images
        if self._derive_length:
            self.queue_length = min(max(_PAPER_LENGTH // batch, 1) * batch, most)
        if self.queue_length > size.num_images:
            raise UserError(
                f"SwAVHook.queue_length={self.queue_length} is more than the {size.num_images} "
                f"images of the data: use {most} or fewer, 0 for no queue"
            )

    def before_run(self, runner: Any) -> None:
        """Find the head, and log what differs from the config."""
        self._head = getattr(unwrap(runner.model), "head", None)
        if self.queue_length:
            needs_epochs(runner, self, "or set queue_length=0")
        start, last = self.epoch_queue_starts, getattr(runner, "max_epochs", None)
        if self.queue_length and last is not None and start >= last:
            self._notes.append(f"no queue: it starts after epoch {start} of {last}")
        elif self.queue_length:
            self._check_fit()
        for note in self._notes:
            runner.logger.warning("SwAVHook: %s", note)

    def _check_fit(self) -> None:
        """Check that the queue has the views and the width that the head needs."""
        for name in ("crops_for_assign", "feat_dim"):
            own = getattr(self, name)
            if (wanted := getattr(self._head, name, own)) != own:
                raise UserError(f"SwAVHook.{name} is {own}, but that of the head is {wanted}")

    def before_train_epoch(self, runner: Any) -> None:
        """Start the queue in its first epoch, or continue with the one of the checkpoint."""
        if not self.queue_length or runner.epoch < self.epoch_queue_starts:
            return
        shape = (len(self.crops_for_assign), self.queue_length, self.feat_dim)
        if self.queue is not None and self.queue.shape != shape:
            text = "SwAVHook: the resumed queue %s restarts from zeros: the config asks for %s"
            runner.logger.warning(text, list(self.queue.shape), list(shape))
            self.queue = None
        if self.queue is None:
            self.queue = torch.zeros(shape)
        self.queue = self.queue.to(module_device(unwrap(runner.model)))
        self._head.queue, self._head.use_queue = self.queue, False

    def after_train_epoch(self, runner: Any) -> None:
        """Store the queue of the epoch; a resumed one stays where this epoch has none."""
        queue = getattr(self._head, "queue", None)
        self.queue = self.queue if queue is None else queue

    def state_dict(self) -> dict[str, Any]:
        """Return a copy of the queue [A, length, D]; None before it starts.

        Until the first epoch of a resumed run, the head has none yet: it is the resumed one.
        """
        queue = getattr(self._head, "queue", None)
        queue = self.queue if queue is None else queue
        return {"queue": None if queue is None else queue.clone()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Load a queue; the next epoch gives it to the head."""
        self.queue = state["queue"]
