"""Watch during pre-training whether the features become any good, and whether they collapse."""

from typing import Any

from mmcv.runner import HOOKS, Hook

from mmselfsup.core.evaluation.monitor import Monitor
from mmselfsup.core.evaluation.monitor_images import pair_of_views
from mmselfsup.core.evaluation.signs import MIN_RANK, MIN_SPREAD

from .epochs import needs_epochs
from .undisturbed import undisturbed
from .writer import log_apart

_COLLAPSE = "COLLAPSE in epoch %d: %s; docs/en/tutorials/6_frozen_features.md says what to do"


@HOOKS.register_module()
class FrozenFeaturesHook(Hook):  # type: ignore[misc]
    """Measure the features of the backbone after the first epoch, every N epochs, and the last.

    What the loggers get: with labels ``knn_balanced_accuracy`` and ``probe_balanced_accuracy`` of a
    weighted k-NN and a balanced linear probe; always ``feature_std``, ``feature_spread`` (the same
    as a share of 1/sqrt(D)), ``effective_rank``, ``uniformity``; with two views in a batch
    ``alignment`` and, where there is a projector, ``projection_spread``, ``projection_rank`` (see
    :mod:`mmselfsup.core.evaluation.collapse`). A collapse is a warning in the log. Training goes on
    exactly as without the hook.

    The figures are for watching a run: few images, their classes as even as can be, of the training
    data unless ``data`` names others. For results use ``tools/benchmarks/classification``.

    Args:
        interval: epochs (iterations with ``by_epoch=False``) between two measurements.
        data: ``dict(train=..., val=...)`` of data set configs, or a config file with such a
            ``data``; by default training images in a fixed view, with their labels if any.
        num_train: images that neighbours and probe learn from.
        num_test: images they are measured on.
        k: number of neighbours; fewer where there are fewer training images.
        temperature: of the neighbours' votes.
        min_spread: below this ``feature_spread`` features count as collapsed.
        min_rank: below this ``effective_rank`` as well.
        by_epoch: False for a runner that counts iterations.
        samples_per_gpu: batch size of the measurement.
        workers_per_gpu: workers that load its images.
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
        """See that the runner counts what this hook counts."""
        if self.by_epoch:
            needs_epochs(runner, self, "set by_epoch=False")

    def after_train_iter(self, runner: Any) -> None:
        """Keep a batch for the views in it; measure where iterations are counted."""
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
        with undisturbed(runner.model) as model:
            self.monitor.prepare(runner.data_loader.dataset, self._img)
            numbers, signs = self.monitor.measure(model, pair_of_views(self._img))
        self._img = None
        length = {"eval_iter_num": self.monitor.num_batches}
        log_apart(runner, {**numbers, **signs.numbers(), **length})
        complaint = signs.complaint(self.min_spread, self.min_rank)
        if complaint is not None:
            runner.logger.warning(_COLLAPSE, runner.epoch + 1, complaint)
