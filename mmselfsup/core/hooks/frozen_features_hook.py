"""Monitoring of a pre-training: the quality of the features, and whether they collapse.

``isolated_eval`` keeps the measurement without any effect on the training.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from mmcv.runner import HOOKS, Hook
from torch import nn

from mmselfsup.evaluation.collapse import MIN_RANK, MIN_SPREAD
from mmselfsup.evaluation.online_monitor import Monitor, pair_of_views
from mmselfsup.utils.batch_norm import share_statistics
from mmselfsup.utils.module import unwrap
from mmselfsup.utils.seed import rng_untouched

from .finetune_hooks import needs_epochs
from .logging_hooks import log_apart

_COLLAPSE = "COLLAPSE in epoch %d: %s; docs/en/tutorials/9_frozen_features.md says what to do"


@HOOKS.register_module()
class FrozenFeaturesHook(Hook):  # type: ignore[misc]
    """A measurement of the backbone's features after the first epoch, every N epochs, and the last.

    The loggers get: with labels ``knn_balanced_accuracy`` and ``probe_balanced_accuracy`` of a
    weighted k-NN and a balanced linear probe; always ``feature_std``, ``feature_spread`` (its ratio
    to 1/sqrt(D)), ``effective_rank``, ``uniformity``; with two views in a batch ``alignment`` and,
    where there is a projector, ``projection_spread``, ``projection_rank`` (see
    ``mmselfsup.evaluation.collapse``). A collapse is a warning in the log. Training continues
    exactly as without the hook.

    The numbers are for monitoring a run: they come from few images, as balanced by class as
    possible, of the training data unless ``data`` names others. For results use
    ``tools/benchmarks/classification``.

    Args:
        interval: Epochs (iterations with ``by_epoch=False``) between two measurements.
        data: ``dict(train=..., val=...)`` of data set configs, or a config file with such a
            ``data``; by default training images in a fixed view, with their labels if any.
        num_train: Number of images that k-NN and probe are fitted on.
        num_test: Number of images that they are tested on.
        k: Number of neighbours; fewer where there are fewer training images.
        temperature: Temperature of the neighbours' votes.
        min_spread: Features with a smaller ``feature_spread`` count as collapsed.
        min_rank: Features with a smaller ``effective_rank`` count as collapsed.
        by_epoch: False for a runner that counts iterations.
        samples_per_gpu: Batch size of the measurement.
        workers_per_gpu: Number of workers that load its images.
    """

    def __init__(
        self,
        interval: int = 5,
        data: str | dict[str, Any] | None = None,
        num_train: int = 800,
        num_test: int = 400,
        k: int = 20,
        temperature: float = 0.07,
        min_spread: float = MIN_SPREAD,
        min_rank: float = MIN_RANK,
        by_epoch: bool = True,
        samples_per_gpu: int = 128,
        workers_per_gpu: int = 2,
    ) -> None:
        if min(interval, num_train, num_test) < 1:
            raise ValueError("interval, num_train and num_test must be 1 or more")
        self.interval, self.by_epoch = interval, by_epoch
        self.min_spread, self.min_rank = min_spread, min_rank
        self.monitor = Monitor(
            data, num_train, num_test, k, temperature, samples_per_gpu, workers_per_gpu
        )
        self._img: Any = None  # of one training batch

    def before_run(self, runner: Any) -> None:
        """Check that the runner counts epochs where this hook does."""
        if self.by_epoch:
            needs_epochs(runner, self, "set by_epoch=False")

    def after_train_iter(self, runner: Any) -> None:
        """Store a batch for its views; measure where iterations are counted."""
        batch = runner.data_batch
        if self._img is None and isinstance(batch, dict):
            self._img = batch.get("img")
        if not self.by_epoch and self.every_n_iters(runner, self.interval):
            self._measure(runner)

    def after_train_epoch(self, runner: Any) -> None:
        """Measure where epochs are counted."""
        epoch = runner.epoch + 1
        if self.by_epoch and (epoch in (1, runner.max_epochs) or epoch % self.interval == 0):
            self._measure(runner)
        self._img = None

    def _measure(self, runner: Any) -> None:
        with isolated_eval(runner.model) as model:
            self.monitor.prepare(runner.data_loader.dataset, self._img)
            accuracies, collapse = self.monitor.measure(model, pair_of_views(self._img))
        self._img = None
        length = {"eval_iter_num": self.monitor.num_batches}
        log_apart(runner, {**accuracies, **collapse.numbers(), **length})
        reason = collapse.collapse_reason(self.min_spread, self.min_rank)
        if reason is not None:
            runner.logger.warning(_COLLAPSE, runner.epoch + 1, reason)


@contextmanager
def isolated_eval(model: nn.Module) -> Iterator[nn.Module]:
    """Yield the bare model in eval mode, without gradients, the same on all ranks.

    At the end of the block the mode of every module, all buffers (among them each rank's own
    batch-norm statistics) and the random state are as before.

    Args:
        model: The model, bare or wrapped. All ranks must call this together.
    """
    module = unwrap(model)
    modes = {part: part.training for part in module.modules()}
    # Before share_statistics, which overwrites buffers.
    buffers = [(buffer, buffer.detach().clone()) for buffer in module.buffers()]
    with rng_untouched(), torch.no_grad():
        try:
            module.eval()
            share_statistics(module)
            yield module
        finally:
            for part, training in modes.items():
                part.training = training
            for buffer, before in buffers:
                buffer.copy_(before)
