"""The runner that trains by epochs."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from mmcv.runner import RUNNERS
from mmcv.runner import EpochBasedRunner as _EpochBasedRunner

from mmselfsup.utils import dist
from mmselfsup.utils.batch_norm import shared_statistics
from mmselfsup.utils.errors import UserError
from mmselfsup.utils.module import batches_from, set_epoch
from mmselfsup.utils.seed import rng_untouched

from .base import CommonRunner


@RUNNERS.register_module(force=True)
class EpochBasedRunner(CommonRunner, _EpochBasedRunner):  # type: ignore[misc]
    """mmcv's runner: same stages, same hooks, same order, without its pauses.

    Hooks between epochs and validation do not change the random state, so that a run that is
    resumed between two epochs continues exactly like one that was not stopped.
    """

    _num_batches = 1  # of an epoch

    def train(self, data_loader: Any, **kwargs: Any) -> None:
        """Train one epoch, or what is left of it after a resume."""
        self.model.train()
        self.mode = "train"
        self.data_loader = data_loader
        self._max_iters = self._max_epochs * len(data_loader)
        # A new epoch begins with the saved state; an interrupted one first skips batches, which may
        # draw random numbers.
        if not self._num_to_skip:
            self._restore_rng()
        set_epoch(data_loader, self.epoch)
        self.call_hook("before_train_epoch")
        start, self._num_to_skip = self._num_to_skip, 0
        for inner_iter, data_batch in enumerate(batches_from(data_loader, start), start):
            self._restore_rng()
            self.data_batch = data_batch
            self._inner_iter = inner_iter
            self._in_iteration = True
            self.call_hook("before_train_iter")
            self.run_iter(data_batch, train_mode=True, **kwargs)
            self.call_hook("after_train_iter")
            del self.data_batch
            self._in_iteration = False
            self._iter += 1
        self._restore_rng()  # if the resumed epoch had no batch left
        self.log_buffer.check()
        with rng_untouched() as state:
            # Hooks save on the first rank only, so they can't gather the states themselves.
            self._rng_states = dist.all_gather_object(state)
            self.call_hook("after_train_epoch")
            self._rng_states = None
        self._epoch += 1

    @torch.no_grad()
    def val(self, data_loader: Any, **kwargs: Any) -> None:
        """Validate on all batches of the loader."""
        self.model.eval()
        self.mode = "val"
        self.data_loader = data_loader
        with rng_untouched(), shared_statistics(self.model):
            self.call_hook("before_val_epoch")
            for inner_iter, data_batch in enumerate(data_loader):
                self.data_batch = data_batch
                self._inner_iter = inner_iter
                self.call_hook("before_val_iter")
                self.run_iter(data_batch, train_mode=False)
                self.call_hook("after_val_iter")
                del self.data_batch
            self.call_hook("after_val_epoch")

    def run(
        self,
        data_loaders: list[Any],
        workflow: list[tuple[str, int]],
        max_epochs: int | None = None,
        **kwargs: Any,
    ) -> None:
        """Run the workflow until ``max_epochs`` training epochs are done.

        Args:
            data_loaders: One loader for each entry of the workflow.
            workflow: (mode, epochs) in turn, for example ``[('train', 2), ('val', 1)]``.
            max_epochs: Number of epochs, where the constructor did not set it.
            **kwargs: Further arguments of the model's ``train_step``.
        """
        if max_epochs is not None:
            self._max_epochs = max_epochs
        if self._max_epochs is None:
            raise UserError("runner.max_epochs is not set")
        self._announce(data_loaders, workflow, self.epoch, self._max_epochs, "epochs")
        pairs = list(zip(workflow, data_loaders, strict=True))
        per_epoch = next(len(loader) for (mode, _), loader in pairs if mode == "train")
        self._fit_progress(per_epoch)
        self.call_hook("before_run")
        self._fit_loggers(per_epoch)
        self._after_resume()
        while self.epoch < self._max_epochs:
            for (mode, epochs), loader in pairs:
                for _ in range(epochs):
                    if mode == "train" and self.epoch >= self._max_epochs:
                        break
                    getattr(self, mode)(loader, **kwargs)
        self.call_hook("after_run")

    def _fit_progress(self, num_batches: int) -> None:
        """Set the counters for epochs of this length; those of the checkpoint may have another."""
        self._num_batches = num_batches
        self._max_iters = self._max_epochs * num_batches
        resumed = self.epoch * num_batches + self._num_to_skip
        if self.iter != resumed:
            self.logger.info(
                "an epoch has %d iterations now: resuming at the start of the epoch", num_batches
            )
            self._num_to_skip = 0
            self._iter = self.epoch * num_batches

    def is_between_steps(self, by_epoch: bool) -> bool:
        """Return whether the resumed checkpoint was written after a whole epoch."""
        return by_epoch and self.epoch > 0 and not self._resumed_inside

    @contextmanager
    def as_when_saved(self) -> Iterator[None]:
        """Go back to the end of the last epoch for a block."""
        self._epoch, self._rng_states = self.epoch - 1, self._resumed_states
        self.mode = "train"
        try:
            yield
        finally:
            self._epoch, self._rng_states = self.epoch + 1, None

    def _progress(self) -> dict[str, int]:
        """Return the complete epochs, iterations, and iterations of the current epoch."""
        if self._complete_iters is not None:
            inner = max(self._complete_iters - self.epoch * self._num_batches, 0)
            return {"epoch": self.epoch, "iter": self._complete_iters, "inner_iter": inner}
        if self._in_iteration:  # a hook after the iteration saves: the counters do not include it
            complete = self.inner_iter + 1
            return {"epoch": self.epoch, "iter": self.iter + 1, "inner_iter": complete}
        return {"epoch": self.epoch + 1, "iter": self.iter, "inner_iter": 0}

    def save_checkpoint(
        self,
        out_dir: str,
        filename_tmpl: str = "epoch_{}.pth",
        save_optimizer: bool = True,
        meta: Mapping[str, Any] | None = None,
        create_symlink: bool = True,
    ) -> None:
        """Write a checkpoint and point ``latest.pth`` to it.

        The number in its name is that of the epoch; inside an epoch it is that of the iteration,
        and ``iter_{}.pth`` replaces ``epoch_{}.pth``.
        """
        number = self.epoch + 1
        if self._in_iteration:
            number = self.iter + 1
            filename_tmpl = "iter_{}.pth" if filename_tmpl == "epoch_{}.pth" else filename_tmpl
        filename = filename_tmpl.format(number)
        self._write_checkpoint(out_dir, filename, meta, save_optimizer, create_symlink)
