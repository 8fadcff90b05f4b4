"""The runner that trains by iterations, with as many passes over the loader as needed."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from mmcv.runner import RUNNERS, IterTimerHook, LoggerHook
from mmcv.runner import IterBasedRunner as _IterBasedRunner

from mmselfsup.utils.batch_norm import shared_statistics
from mmselfsup.utils.errors import UserError
from mmselfsup.utils.module import batches_from, set_epoch
from mmselfsup.utils.seed import rng_untouched

from .base import CommonRunner
from .log_buffer import TensorLogBuffer


class IterLoader:
    """An endless iterator over a loader.

    Args:
        dataloader: The loader, with at least one batch.
        start: Number of batches that an earlier run has used.
    """

    def __init__(self, dataloader: Any, start: int = 0) -> None:
        self._dataloader = dataloader
        self._epoch, self.skip = divmod(start, len(dataloader))
        set_epoch(dataloader, self._epoch)
        self.iter_loader = batches_from(dataloader, self.skip)

    @property
    def epoch(self) -> int:
        """Return the number of complete passes."""
        return self._epoch

    def __next__(self) -> Any:
        batch = next(self.iter_loader, None)
        if batch is None:
            self._epoch += 1
            set_epoch(self._dataloader, self._epoch)
            self.iter_loader = batches_from(self._dataloader, 0)
            batch = next(self.iter_loader)
        return batch

    def __len__(self) -> int:
        return len(self._dataloader)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._dataloader, name)  # hooks read .dataset, .sampler, ...


@RUNNERS.register_module(force=True)
class IterBasedRunner(CommonRunner, _IterBasedRunner):  # type: ignore[misc]
    """mmcv's runner: same stages, same hooks, same order, without its pauses."""

    def train(self, data_loader: IterLoader, **kwargs: Any) -> None:
        """Train one iteration."""
        self.model.train()
        self.mode = "train"
        self.data_loader = data_loader
        self._epoch = data_loader.epoch
        if not data_loader.skip:  # a new pass begins with the saved state
            self._restore_rng()
        self.data_batch = next(data_loader)
        if data_loader.epoch != self._epoch:  # a pass is complete: as after an epoch
            self.log_buffer.check()
        self._restore_rng()  # after the skipped batches, which may draw random numbers
        self._in_iteration = True
        self.call_hook("before_train_iter")
        self.run_iter(self.data_batch, train_mode=True, **kwargs)
        self.call_hook("after_train_iter")
        del self.data_batch
        self._in_iteration = False
        self._inner_iter += 1
        self._iter += 1

    @torch.no_grad()
    def val(self, data_loader: IterLoader, **kwargs: Any) -> None:
        """Validate on one batch."""
        self.model.eval()
        self.mode = "val"
        self.data_loader = data_loader
        self.data_batch = next(data_loader)
        self.call_hook("before_val_iter")
        self.run_iter(self.data_batch, train_mode=False)
        self.call_hook("after_val_iter")
        del self.data_batch
        self._inner_iter += 1

    def run(
        self,
        data_loaders: list[Any],
        workflow: list[tuple[str, int]],
        max_iters: int | None = None,
        **kwargs: Any,
    ) -> None:
        """Run the workflow until ``max_iters`` training iterations are done.

        Args:
            data_loaders: One loader for each entry of the workflow.
            workflow: (mode, iterations) in turn, for example ``[('train', 100), ('val', 10)]``.
            max_iters: Number of iterations, where the constructor did not set it.
            **kwargs: Further arguments of the model's ``train_step``.
        """
        if max_iters is not None:
            self._max_iters = max_iters
        if self._max_iters is None:
            raise UserError("runner.max_iters is not set")
        self._announce(data_loaders, workflow, self.iter, self._max_iters, "iterations")
        self.call_hook("before_run")
        self._fit_loggers(self._max_iters)
        self._after_resume()
        pairs = [
            (mode, iters, IterLoader(loader, self.iter if mode == "train" else 0))
            for (mode, iters), loader in zip(workflow, data_loaders, strict=True)
        ]
        self.call_hook("before_epoch")
        while self.iter < self._max_iters:
            for mode, iters, loader in pairs:
                self._inner_iter = 0
                if mode == "train":
                    for _ in range(min(iters, self._max_iters - self.iter)):
                        self.train(loader, **kwargs)
                else:
                    self._validate(loader, iters, **kwargs)
        self.log_buffer.check()
        self.call_hook("after_epoch")
        self.call_hook("after_run")

    def _validate(self, loader: IterLoader, iters: int, **kwargs: Any) -> None:
        """Validate on ``iters`` batches, and let every logger write their mean loss.

        The losses of the training stay in their own buffer for the next line of the training.
        """
        gathered, self.log_buffer = self.log_buffer, TensorLogBuffer()
        try:
            with rng_untouched(), shared_statistics(self.model):
                for _ in range(iters):
                    self.val(loader, **kwargs)
            self.log_buffer.average()
            self._iter -= 1  # loggers count the iteration that is being done
            for hook in self.hooks:
                if isinstance(hook, LoggerHook):
                    hook.log(self)
            self._iter += 1
        finally:
            self.log_buffer = gathered

    def is_between_steps(self, by_epoch: bool) -> bool:
        """Return whether the resumed checkpoint was written after an iteration."""
        return not by_epoch and self.iter > 0

    @contextmanager
    def as_when_saved(self) -> Iterator[None]:
        """Go back to the end of the last iteration for a block."""
        self._iter, self._rng_states = self.iter - 1, self._resumed_states
        self.mode, self._in_iteration = "train", True
        try:
            yield
        finally:
            self._iter, self._rng_states = self.iter + 1, None
            self._in_iteration = False

    def _progress(self) -> dict[str, int]:
        """Return the complete passes over the loader and iterations."""
        complete = self.iter + 1 if self._in_iteration else self.iter
        if self._complete_iters is not None:
            complete = self._complete_iters
        return {"epoch": self.epoch, "iter": complete, "inner_iter": 0}

    def save_checkpoint(
        self,
        out_dir: str,
        filename_tmpl: str = "iter_{}.pth",
        meta: Mapping[str, Any] | None = None,
        save_optimizer: bool = True,
        create_symlink: bool = True,
    ) -> None:
        """Write a checkpoint and point ``latest.pth`` to it.

        The number in its name is that of the complete iterations.
        """
        filename = filename_tmpl.format(self._progress()["iter"])
        self._write_checkpoint(out_dir, filename, meta, save_optimizer, create_symlink)

    def register_training_hooks(
        self,
        lr_config: Any,
        optimizer_config: Any = None,
        checkpoint_config: Any = None,
        log_config: Any = None,
        momentum_config: Any = None,
        timer_config: Any = None,
        custom_hooks_config: Any = None,
    ) -> None:
        """Register mmcv's default hooks; intervals count iterations unless a config sets epochs."""
        for part in (lr_config, checkpoint_config, *((log_config or {}).get("hooks", []))):
            if isinstance(part, dict):
                part.setdefault("by_epoch", False)
        # Not mmcv's own method, which fails where a section is a hook and no dict.
        super(_IterBasedRunner, self).register_training_hooks(
            lr_config=lr_config,
            momentum_config=momentum_config,
            optimizer_config=optimizer_config,
            checkpoint_config=checkpoint_config,
            log_config=log_config,
            timer_config=IterTimerHook() if timer_config is None else timer_config,
            custom_hooks_config=custom_hooks_config,
        )
