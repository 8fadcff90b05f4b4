"""Evaluation of the model at intervals, and the checkpoint that is best by a named metric."""

from collections.abc import Callable
from typing import Any

from mmcv.runner import HOOKS
from mmcv.runner import EvalHook as MMCVEvalHook
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from mmselfsup.utils import dist
from mmselfsup.utils.collect import collect_results
from mmselfsup.utils.dist import on_main
from mmselfsup.utils.errors import UserError

from .best_checkpoint import keep_best
from .confusion_picture import show_confusion
from .measured_weights import with_evaluation_weights
from .metric_details import headline, keep_details
from .reliability_picture import show_reliability


def share_statistics(model: nn.Module) -> None:
    """Copy the batch-norm statistics of the first rank, which are saved, to all ranks."""
    for module in model.modules():
        if isinstance(module, _BatchNorm) and module.track_running_stats:
            for buffer in (module.running_mean, module.running_var):
                if buffer is not None:
                    buffer.copy_(dist.broadcast(buffer))


@HOOKS.register_module(name=["EvalHook", "DistEvalHook"])
class EvalHook(MMCVEvalHook):  # type: ignore[misc]
    """mmcv's hook for one rank or several: results of all ranks are collected and evaluated once.

    What ``evaluate`` returns goes to the logs; names with a slash (details by class or source)
    go to TensorBoard and ``metrics/*.json`` only. ``save_best`` may name either.

    Args:
        dataloader: A loader whose data set has ``evaluate(results, logger=..., **eval_kwargs)``.
        test_fn: ``(model, dataloader) -> results``; by default ``collect_results``.
        broadcast_bn_buffer: Whether all ranks evaluate with the statistics of the first rank.
        tmpdir, gpu_collect: Unused, from mmcv.
        *args, **kwargs: Those of mmcv's hook: ``start`` (first epoch or iteration), ``interval``,
            ``by_epoch``, ``save_best`` (name of a metric, ``'auto'`` for the first one), ``rule``
            (``'greater'`` or ``'less'``; by default read from the metric's name),
            ``greater_keys``, ``less_keys``, ``out_dir``, ``file_client_args``; anything else goes
            to ``evaluate``, such as ``topk``.
    """

    _default_greater_keys = [*MMCVEvalHook._default_greater_keys, "recall", "f1"]
    _default_less_keys = [*MMCVEvalHook._default_less_keys, "ece"]

    def __init__(
        self,
        dataloader: Any,
        *args: Any,
        test_fn: Callable[[nn.Module, Any], Any] | None = None,
        broadcast_bn_buffer: bool = True,
        tmpdir: str | None = None,
        gpu_collect: bool = False,
        **kwargs: Any,
    ) -> None:
        inner = getattr(dataloader, "loader", dataloader)  # mmcv accepts torch's own class only
        super().__init__(inner, *args, test_fn=test_fn or collect_results, **kwargs)
        self.dataloader = dataloader
        self.broadcast_bn_buffer = broadcast_bn_buffer

    def _do_evaluate(self, runner: Any) -> None:
        """Evaluate and save the best, with the weights that hooks provide for evaluation."""
        with with_evaluation_weights(runner):
            self._measure(runner)

    def _measure(self, runner: Any) -> None:
        """Collect on all ranks, evaluate on the first, send the metrics to all, save the best."""
        if self.broadcast_bn_buffer:
            share_statistics(runner.model)
        results = self.test_fn(runner.model, self.dataloader)
        metrics = on_main(lambda: self._evaluate(runner, results))
        runner.log_buffer.output.update(headline(metrics), eval_iter_num=len(self.dataloader))
        runner.log_buffer.ready = True
        if self.save_best is not None:
            keep_best(self, runner, self._score(metrics))

    def _evaluate(self, runner: Any, results: Any) -> dict[str, Any]:
        """Return the metrics of the results of all ranks; write their details and pictures."""
        dataset = self.dataloader.dataset
        metrics: dict[str, Any] = dataset.evaluate(
            results, logger=runner.logger, **self.eval_kwargs
        )
        threshold = self.eval_kwargs.get("unk_threshold")
        keep_details(runner, metrics, by_epoch=self.by_epoch)
        show_confusion(runner, dataset, results, threshold)
        show_reliability(runner, dataset, results, threshold)
        return metrics

    def _score(self, metrics: dict[str, Any]) -> float:
        """Return the metric that decides which checkpoint is best."""
        if self.key_indicator == "auto":
            self._init_rule(self.rule, next(iter(metrics)))
        if self.key_indicator not in metrics:
            raise UserError(
                f"evaluation.save_best is {self.key_indicator!r}; the data set measures "
                f"{', '.join(metrics)}"
            )
        return metrics[self.key_indicator]
