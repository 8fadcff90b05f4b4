"""Evaluation of the model at intervals, and the checkpoint that is best by a named metric.

An evaluation uses the weights of the training, unless another hook provides its own (a moving
average). Headline metrics go to the log; details by class and source to a file and to TensorBoard,
with plots of the confusion matrix and of the calibration. An old best checkpoint is deleted once
the new one is complete, and the newest checkpoint of the run does not name the old one.
"""

import math
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from mmcv.runner import HOOKS, LoggerHook
from mmcv.runner import EvalHook as MMCVEvalHook
from torch import nn

from mmselfsup.evaluation.plots import draw_confusion, draw_reliability
from mmselfsup.metrics import confusion_matrix, finite, nested, with_unknown, without_threshold
from mmselfsup.metrics.direction import RULES, better, gain, worst
from mmselfsup.utils import dist
from mmselfsup.utils.batch_norm import share_statistics
from mmselfsup.utils.collect import collect_results
from mmselfsup.utils.dist import on_main
from mmselfsup.utils.errors import UserError
from mmselfsup.utils.files import atomic_write_json, remove_leftovers
from mmselfsup.utils.logger import file_only
from mmselfsup.utils.seed import rng_untouched

from .checkpoint_hook import save_before_error
from .logging_hooks import tensorboard_writer

FOLDER = "metrics"
#: The confusion matrix of more classes is not drawn: the picture would be too large.
MAX_CLASSES = 40


class KeepsBest:
    """The part of a hook that keeps the best checkpoint by ``save_best``: old ones are removed."""

    def after_checkpoint(self, runner: Any) -> None:
        """Remove old best checkpoints, which the new checkpoint does not name."""
        runner.best_in_checkpoint = os.path.basename(messages_of(runner).get("best_ckpt") or "")
        remove_replaced(self, runner)

    def after_run(self, runner: Any) -> None:
        """Remove old best checkpoints, where the last checkpoint was written before the best."""
        runner.best_in_checkpoint = ""
        remove_replaced(self, runner)


@HOOKS.register_module(name=["EvalHook", "DistEvalHook"])
class EvalHook(KeepsBest, MMCVEvalHook):  # type: ignore[misc]
    """mmcv's hook for one rank or several: results of all ranks are collected and evaluated once.

    What ``evaluate`` returns goes to the logs; names with a slash (details by class or source)
    go to TensorBoard and ``metrics/*.json`` only. ``save_best`` may name either.

    Args:
        dataloader: A loader whose data set has ``evaluate(results, logger=..., **eval_kwargs)``.
        test_fn: ``(model, dataloader) -> results``; by default ``collect_results``.
        broadcast_bn_buffer: Whether all ranks evaluate with the statistics of the first rank.
        tmpdir, gpu_collect: Unused, from mmcv.
        *args: See ``**kwargs``.
        **kwargs: Those of mmcv's hook: ``start`` (first epoch or iteration), ``interval``,
            ``by_epoch``, ``save_best`` (name of a metric, ``'auto'`` for the first one), ``rule``
            (``'greater'`` or ``'less'``; by default read from the metric's name, see ``better``),
            ``greater_keys``, ``less_keys``, ``out_dir``, ``file_client_args``; anything else goes
            to ``evaluate``, such as ``topk``.
    """

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

    def _init_rule(self, rule: str | None, key_indicator: str) -> None:
        """Find the rule of a metric from its name, and keep both; mmcv's hook calls this.

        Raises:
            UserError: The name tells no rule.
        """
        if rule is None and key_indicator != "auto":
            # Keys that nobody gave are mmcv's own lists of parts of names, which words replace.
            more, less = self.greater_keys, self.less_keys
            more = () if more is MMCVEvalHook._default_greater_keys else more
            less = () if less is MMCVEvalHook._default_less_keys else less
            rule = rule_of_best(key_indicator, more, less)
        super()._init_rule(rule, key_indicator)

    def before_run(self, runner: Any) -> None:
        """Find the folder of the best checkpoint, and remove what killed writers left."""
        with file_only():
            super().before_run(runner)
        if dist.is_main() and runner.work_dir:
            remove_leftovers(os.path.join(runner.work_dir, FOLDER))

    def after_train_iter(self, runner: Any) -> None:
        """Evaluate where iterations are counted; losses that mmcv then discards are read first."""
        if not self.by_epoch and self._should_evaluate(runner):
            runner.log_buffer.check()
        super().after_train_iter(runner)

    def after_resume(self, runner: Any) -> None:
        """Evaluate the epoch of the checkpoint if a kill, or another config, prevented that."""
        adopt_best(self, runner)
        if not runner.is_between_steps(self.by_epoch):
            return
        with runner.as_when_saved(), rng_untouched():
            done = messages_of(runner).get("evaluated") == self._number(runner)
            if done or not self._should_evaluate(runner):
                return
            runner.logger.info("the state of %s was not evaluated: now", runner.resumed_from)
            self._do_evaluate(runner)
            stage = "after_train_epoch" if self.by_epoch else "after_train_iter"
            for hook in runner.hooks:
                if isinstance(hook, LoggerHook):
                    getattr(hook, stage)(runner)
        runner.measured_late = True

    def _number(self, runner: Any) -> int:
        """Return the epoch or iteration that is being evaluated, from 1."""
        return (runner.epoch if self.by_epoch else runner.iter) + 1

    def _do_evaluate(self, runner: Any) -> None:
        """Evaluate and save the best, with the weights that hooks provide for evaluation.

        Where that fails, the checkpoint that is due is written first, so that no training is lost.
        """
        try:
            with evaluation_weights(runner):
                self._measure(runner)
        except Exception:
            save_before_error(runner, runner.hooks)
            raise
        messages_of(runner)["evaluated"] = self._number(runner)

    def _measure(self, runner: Any) -> None:
        """Collect on all ranks, evaluate on the first, send the metrics to all, save the best."""
        if self.broadcast_bn_buffer:
            share_statistics(runner.model)
        results = self.test_fn(runner.model, self.dataloader)
        metrics = on_main(lambda: self._evaluate(runner, results))
        runner.log_buffer.output.update(headline(metrics), eval_iter_num=len(self.dataloader))
        runner.log_buffer.ready = True
        for hook in runner.hooks:  # before the best is saved: a checkpoint has their states
            if hasattr(hook, "after_evaluation"):
                hook.after_evaluation(runner, metrics)
        if self.save_best is not None:
            keep_best(self, runner, self._score(metrics))

    def _evaluate(self, runner: Any, results: Any) -> dict[str, Any]:
        """Return the metrics of the results of all ranks; write their details and pictures."""
        dataset = self.dataloader.dataset
        metrics: dict[str, Any] = dataset.evaluate(
            results, logger=runner.logger, **self.eval_kwargs
        )
        keep_details(runner, metrics, by_epoch=self.by_epoch)
        show_plots(runner, dataset, results, self.eval_kwargs.get("unk_threshold"))
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


@contextmanager
def evaluation_weights(runner: Any) -> Iterator[None]:
    """Enter ``evaluation_weights(runner)`` of every hook that has it, for one block."""
    hooks = [hook for hook in runner.hooks if hasattr(hook, "evaluation_weights")]
    with ExitStack() as stack:
        for hook in hooks:
            stack.enter_context(hook.evaluation_weights(runner))
        yield


def headline(metrics: Mapping[str, Any]) -> dict[str, Any]:
    """Return the metrics for a log line: those whose names have no slash."""
    return {name: value for name, value in metrics.items() if "/" not in name}


def keep_details(runner: Any, metrics: Mapping[str, Any], by_epoch: bool = True) -> None:
    """Write all metrics to a file, and those with a slash in the name to TensorBoard.

    The file is ``<work_dir>/metrics/epoch_<n>.json`` (or ``iter_<n>``, both from 1): ``epoch``,
    ``iter``, and ``metrics`` with a name ``a/b`` as ``{a: {b: ...}}`` and null for nan. The tags
    of TensorBoard begin with the number of classes: ``val_8_classes/per_class/MEL/auc``. Nothing
    is written if no name has a slash.

    Args:
        runner: The runner of the training.
        metrics: The metrics that ``evaluate`` returned.
        by_epoch: Whether the run counts epochs.
    """
    details = {name: value for name, value in metrics.items() if "/" in name}
    if not details:
        return
    writer = tensorboard_writer(runner)
    if writer is not None:
        classes = metrics.get("num_classes")
        start = "val" if classes is None else f"val_{classes:.0f}_classes"
        for name, value in details.items():
            if isinstance(value, int | float) and math.isfinite(value):
                writer.add_scalar(f"{start}/{name}", value, runner.iter)
    if not runner.work_dir:
        return
    epoch, iteration = runner.epoch + 1, runner.iter + 1
    unit = f"epoch_{epoch}" if by_epoch else f"iter_{iteration}"
    facts = {"epoch": epoch, "iter": iteration, "metrics": nested(finite(metrics))}
    atomic_write_json(os.path.join(runner.work_dir, FOLDER, f"{unit}.json"), facts)


def show_plots(
    runner: Any, dataset: Any, results: Mapping[str, Any], unk_threshold: float | None = None
) -> None:
    """Send confusion matrix and reliability plot of each head to TensorBoard, if it is in use.

    Nothing happens for data sets without labels; more than ``MAX_CLASSES`` classes get no
    confusion matrix.

    Args:
        runner: The runner of the training.
        dataset: The evaluated data set, with ``gt_labels`` and ``CLASSES``.
        results: The scores [N, C] of each head.
        unk_threshold: That of ``evaluation``: it adds the class UNK.
    """
    writer = tensorboard_writer(runner)
    labels = getattr(dataset, "gt_labels", None)
    if writer is None or labels is None or np.ndim(labels) != 1:  # several labels of an image
        return
    for head, raw_scores in results.items():
        classes = getattr(dataset, "CLASSES", None)
        scores, names = with_unknown(raw_scores, classes, unk_threshold)
        if scores.shape[1] <= MAX_CLASSES:
            matrix = confusion_matrix(scores, labels, scores.shape[1])
            picture = draw_confusion(matrix, names or [str(i) for i in range(len(matrix))])
            writer.add_image(f"confusion/{head}", picture, runner.iter, dataformats="HWC")
        picture = draw_reliability(without_threshold(raw_scores, unk_threshold), labels)
        writer.add_image(f"reliability/{head}", picture, runner.iter, dataformats="HWC")


def rule_of_best(
    metric: str, greater_keys: str | Iterable[str] = (), less_keys: str | Iterable[str] = ()
) -> str:
    """Return which of a metric is better: the rule of the best checkpoint, where none is set.

    Args:
        metric: The metric that ``save_best`` names.
        greater_keys, less_keys: Those of ``evaluation``, see ``better``.

    Raises:
        UserError: The name tells nothing.
    """
    rule = better(metric, greater_keys, less_keys)
    if rule is None:
        raise UserError(
            f"evaluation.save_best is {metric!r}, a name that doesn't tell which is better: set "
            f"evaluation.rule to {' or '.join(map(repr, RULES))}"
        )
    return rule


def messages_of(runner: Any) -> dict[str, Any]:
    """Return what hooks store in checkpoints: ``best_score``, ``best_ckpt``, ``evaluated``, ..."""
    runner.meta = {} if runner.meta is None else runner.meta
    messages: dict[str, Any] = runner.meta.setdefault("hook_msgs", {})
    return messages


def keep_best(hook: Any, runner: Any, score: float) -> None:
    """Save the model if ``score`` beats the best one so far.

    The best score and its file are in ``runner.meta['hook_msgs']``, so that a resumed run has them.

    Args:
        hook: The evaluation hook with its ``rule``, ``key_indicator``, ``out_dir`` and
            ``by_epoch``.
        runner: The runner of the training.
        score: The metric; nan is never the best.
    """
    messages = messages_of(runner)
    best = messages.get("best_score", worst(hook.rule))
    unit, number = ("epoch", runner.epoch + 1) if hook.by_epoch else ("iter", runner.iter + 1)
    metric = hook.key_indicator.replace("/", "_")  # details have slashes
    name = f"best_{metric}_{unit}_{number}.pth"
    old, path = messages.get("best_ckpt"), os.path.join(hook.out_dir, name)
    if not gain(hook.rule, score, best) > 0:  # nan is no gain
        if old != path and runner.resumed_in(hook.out_dir):
            # Of an interrupted run, whose evaluation of this epoch gave more.
            replace_best(messages, path)
            remove_replaced(hook, runner)
        return
    messages.update(best_score=score, best_ckpt=path)
    if old and old != path and os.path.dirname(old) == os.path.dirname(path):
        replace_best(messages, old)
    # The optimizer's state belongs to the trained weights: with averaged weights it is useless.
    averaged = any(hasattr(other, "evaluation_weights") for other in runner.hooks)
    options = dict(filename_tmpl=name, create_symlink=False, save_optimizer=not averaged)
    with runner.state_of_all_ranks():
        on_main(lambda: runner.save_checkpoint(hook.out_dir, **options))
    remove_replaced(hook, runner)
    runner.logger.info("best %s so far: %.4f, saved as %s", hook.key_indicator, score, name)


def replace_best(messages: dict[str, Any], path: str) -> None:
    """Note that a best checkpoint is to be removed: by its name, which a checkpoint may hold."""
    names = messages.get("replaced_best", [])
    messages["replaced_best"] = sorted({*names, os.path.basename(path)})


def remove_replaced(hook: Any, runner: Any) -> None:
    """Remove the old best checkpoints, except the one that the newest checkpoint names.

    The names may come from a file: nothing goes but ``best_<metric>_<epoch|iter>_<n>.pth`` in this
    run's own folder.
    """
    messages = messages_of(runner)
    if hook.save_best is None or hook.key_indicator == "auto":  # nothing was measured yet
        return
    current = os.path.basename(messages.get("best_ckpt") or "")
    wanted = {current, runner.best_in_checkpoint}
    metric = re.escape(hook.key_indicator.replace("/", "_"))
    pattern = re.compile(rf"best_{metric}_(epoch|iter)_\d+\.pth")
    names = [name for name in messages.pop("replaced_best", []) if pattern.fullmatch(name)]
    for name in names:
        if name not in wanted and dist.is_main() and "://" not in hook.out_dir:
            Path(hook.out_dir, name).unlink(missing_ok=True)
    later = [name for name in names if name in wanted - {current}]
    if later:
        messages["replaced_best"] = later


def adopt_best(hook: Any, runner: Any) -> None:
    """Take over the best checkpoint of a resumed run, if the run continues in its own folder.

    That folder may have been moved or be named in another way. In another folder the best score
    stays, and no file.
    """
    messages = messages_of(runner)
    if not runner.resumed_in(hook.out_dir):
        messages.pop("replaced_best", None)
        return
    name = os.path.basename(messages.get("best_ckpt") or "")
    runner.best_in_checkpoint = name
    if name:
        messages["best_ckpt"] = os.path.join(hook.out_dir, name)
    remove_replaced(hook, runner)
