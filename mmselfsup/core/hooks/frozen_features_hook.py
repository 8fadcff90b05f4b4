"""Monitoring of a pre-training: the quality of the features, and whether they collapse.

``isolated_eval`` keeps the measurement without any effect on the training.
"""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from mmcv.runner import HOOKS, Hook, IterTimerHook
from torch import nn

from mmselfsup.evaluation.collapse import MIN_RANK, MIN_SPREAD
from mmselfsup.evaluation.online_monitor import Monitor, pair_of_views
from mmselfsup.metrics.direction import GREATER
from mmselfsup.utils.batch_norm import share_statistics
from mmselfsup.utils.errors import UserError
from mmselfsup.utils.json_log import MONITOR_SCORES
from mmselfsup.utils.module import in_eval_mode, unwrap
from mmselfsup.utils.seed import rng_untouched

from .eval_hook import KeepsBest, adopt_best, keep_best, messages_of
from .finetune_hooks import needs_epochs
from .logging_hooks import log_apart

#: Under this name ``hook_msgs`` of checkpoints have the numbers of the start weights.
START = "monitor_start"
SCORES = tuple(MONITOR_SCORES)
_COLLAPSE = "COLLAPSE in epoch %d: %s; docs/en/tutorials/9_frozen_features.md says what to do"


@HOOKS.register_module()
class FrozenFeaturesHook(KeepsBest, Hook):  # type: ignore[misc]
    """A measurement of the backbone's features before the first step and after epochs.

    It is taken of the start weights (logged as epoch 0), after the first epoch, every N epochs, and
    the last. At the end the log says by how much the training has moved the scores, with a warning
    where the start weights were better.

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
        interval: Epochs (iterations with ``by_epoch=False``) between two measurements, N, 1 or
            more.
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
        at_start: Whether to measure the start weights.
        save_best: ``'knn_balanced_accuracy'`` or ``'probe_balanced_accuracy'``: the checkpoint that
            is best by it stays as ``best_<metric>_epoch_<n>.pth``, that of the start weights
            included. Measure on images that are not those of the final test.

    Raises:
        ValueError: A number is below 1, or ``save_best`` names no score.
    """

    #: The rule of the best checkpoint, see ``keep_best``.
    rule = GREATER  # both scores are accuracies

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
        at_start: bool = True,
        save_best: str | None = None,
    ) -> None:
        if min(interval, num_train, num_test) < 1:
            raise ValueError("interval, num_train and num_test must be 1 or more")
        if save_best not in (None, *SCORES):
            raise ValueError(f"save_best must be one of {', '.join(SCORES)}, got {save_best!r}")
        self.at_start, self.save_best, self.key_indicator = at_start, save_best, save_best
        self.out_dir = ""
        self.interval, self.by_epoch = interval, by_epoch
        self.min_spread, self.min_rank = min_spread, min_rank
        self.monitor = Monitor(
            data, num_train, num_test, k, temperature, samples_per_gpu, workers_per_gpu
        )
        self._img: Any = None  # of one training batch

    def before_run(self, runner: Any) -> None:
        """Check that the runner counts epochs where this hook does, and who keeps the best.

        Raises:
            UserError: The runner has no epochs, or an evaluation keeps another best checkpoint.
        """
        self.out_dir = str(runner.work_dir or "")
        if self.by_epoch:
            needs_epochs(runner, self, "set by_epoch=False")
        others = [h for h in runner.hooks if h is not self and getattr(h, "save_best", None)]
        if self.save_best and (others or not runner.work_dir):
            raise UserError(
                "FrozenFeaturesHook: save_best needs a work dir, and no other hook (evaluation) "
                "that keeps a best checkpoint"
            )

    def after_resume(self, runner: Any) -> None:
        """Take over the best checkpoint of the run that is resumed."""
        if self.save_best:
            adopt_best(self, runner)

    def after_checkpoint(self, runner: Any) -> None:
        """Remove old best checkpoints, which the new checkpoint does not name."""
        if self.save_best:
            super().after_checkpoint(runner)

    def after_run(self, runner: Any) -> None:
        """Say by how much the scores have moved; remove old best checkpoints."""
        if self.save_best:
            super().after_run(runner)
        start, end = (messages_of(runner).get(name, {}) for name in (START, "monitor"))
        for name in SCORES:
            if name in start and name in end:
                tell_gain(runner.logger, name, start[name], end[name])

    def before_train_iter(self, runner: Any) -> None:
        """Measure the start weights, in the first iteration: its batch shows the size of images."""
        if not self.at_start or runner.iter or runner.resumed_from is not None:
            return
        batch = runner.data_batch
        self._img = batch.get("img") if isinstance(batch, dict) else None
        begin = time.time()
        with runner.as_at_start():
            self._measure(runner)
        for hook in runner.hooks:
            if isinstance(hook, IterTimerHook):  # the iteration itself is not slow
                hook.t += time.time() - begin

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
        at_start = runner.epoch < 0
        messages_of(runner)[START if at_start else "monitor"] = accuracies
        if self.save_best:
            if self.save_best not in accuracies:
                raise UserError(
                    f"FrozenFeaturesHook: save_best={self.save_best!r} needs labels of several "
                    "classes; give data with labels, or leave it out"
                )
            keep_best(self, runner, accuracies[self.save_best])
        reason = None if at_start else collapse.collapse_reason(self.min_spread, self.min_rank)
        if reason is not None:
            runner.logger.warning(_COLLAPSE, runner.epoch + 1, reason)


def tell_gain(logger: Any, name: str, start: float, end: float) -> None:
    """Log by how much a score has moved since the start weights; a warning where it has fallen."""
    text = "%s: %.4f of the start weights, %.4f at the end (%+.4f)"
    if end < start:
        text += ": the start weights were better; lower the rate, train less (adapt), or stop early"
    logger.log(
        logging.WARNING if end < start else logging.INFO, text, name, start, end, end - start
    )


@contextmanager
def isolated_eval(model: nn.Module) -> Iterator[nn.Module]:
    """Yield the bare model in eval mode, without gradients, the same on all ranks.

    At the end of the block the mode of every module, all buffers (among them each rank's own
    batch-norm statistics) and the random state are as before.

    Args:
        model: The model, bare or wrapped. All ranks must call this together.
    """
    module = unwrap(model)
    # Before share_statistics, which overwrites buffers.
    buffers = [(buffer, buffer.detach().clone()) for buffer in module.buffers()]
    with rng_untouched(), torch.no_grad(), in_eval_mode(module):
        try:
            share_statistics(module)
            yield module
        finally:
            for buffer, before in buffers:
                buffer.copy_(before)
