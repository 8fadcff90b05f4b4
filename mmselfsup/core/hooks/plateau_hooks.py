"""What happens when a metric stops improving: the training ends, or the learning rate falls."""

from collections.abc import Mapping
from typing import Any

from mmcv.runner import HOOKS, Hook, LrUpdaterHook

from mmselfsup.metrics.direction import RULES, better, gain, worst
from mmselfsup.utils.errors import ArgumentError, UserError

from .eval_hook import EvalHook
from .finetune_hooks import counts_epochs


class Plateau:
    """The count of evaluations in a row that were not better than the best before.

    Args:
        monitor: Name of the metric.
        patience: How many such evaluations are a plateau, at least 1.
        min_delta: By how much a better value differs at least.
        rule: ``'greater'`` or ``'less'`` is better; None reads it from the metric's name, as
            ``save_best`` does.

    Raises:
        ArgumentError: A value is out of range, or the name tells no rule.
    """

    def __init__(
        self, monitor: str, patience: int, min_delta: float = 0.0, rule: str | None = None
    ) -> None:
        if not isinstance(patience, int) or patience < 1 or min_delta < 0:
            raise ArgumentError(
                f"patience must be a whole number from 1 and min_delta from 0, got {patience} and "
                f"{min_delta}"
            )
        if rule not in (None, *RULES):
            raise ArgumentError(f"rule must be one of {', '.join(RULES)}, got {rule!r}")
        self.monitor, self.patience, self.min_delta = monitor, patience, min_delta
        named = rule or better(monitor)
        if named is None:
            raise ArgumentError(
                f"monitor={monitor!r}: say by rule='greater' or 'less' which is better"
            )
        self.rule, self.best = named, worst(named)
        self.bad = 0

    def see(self, metrics: Mapping[str, Any]) -> bool:
        """Count an evaluation, and return whether there is a plateau; nan is never better.

        Raises:
            UserError: The metric was not measured.
        """
        if self.monitor not in metrics:
            raise UserError(
                f"monitor={self.monitor!r} is not measured; there are {', '.join(metrics)}"
            )
        value = float(metrics[self.monitor])
        if gain(self.rule, value, self.best) > self.min_delta:
            self.best, self.bad = value, 0
        else:
            self.bad += 1
        return self.bad >= self.patience

    def state_dict(self) -> dict[str, Any]:
        """Return the count, for a checkpoint."""
        return {"best": self.best, "bad": self.bad}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue with the count of a checkpoint."""
        self.best, self.bad = float(state["best"]), int(state["bad"])


def _needs_evaluation(runner: Any, hook: Any) -> None:
    """Check that the run evaluates: the hook would never act.

    Raises:
        UserError: It doesn't.
    """
    if not any(isinstance(other, EvalHook) for other in runner.hooks):
        raise UserError(f"{type(hook).__name__} needs evaluation=dict(interval=1) and data.val")


@HOOKS.register_module()
class EarlyStoppingHook(Hook):  # type: ignore[misc]
    """A hook that ends the training when a metric of the evaluation has stopped improving.

    The run ends in order after the epoch (the iteration, where the runner counts these): the last
    checkpoint is written. Resumed, it goes on only with a larger ``patience``. A schedule that ends
    at ``max_epochs`` (a cosine) is cut off; ``save_best`` keeps the best checkpoint.

    Args:
        monitor: Name of the metric, such as ``balanced_accuracy``.
        patience: Evaluations without a better value, after which the training ends.
        min_delta, rule: See ``Plateau``.
    """

    def __init__(
        self,
        monitor: str = "balanced_accuracy",
        patience: int = 10,
        min_delta: float = 0.0,
        rule: str | None = None,
    ) -> None:
        self.plateau = Plateau(monitor, patience, min_delta, rule)

    def before_run(self, runner: Any) -> None:
        """Check that there are evaluations; end a run that was ended before."""
        _needs_evaluation(runner, self)
        if self.plateau.bad >= self.plateau.patience:
            runner.logger.info(
                "EarlyStoppingHook: this run has ended; a larger patience continues it"
            )
            if counts_epochs(runner):
                runner._max_epochs = runner.epoch
            else:
                runner._max_iters = runner.iter

    def after_evaluation(self, runner: Any, metrics: Mapping[str, Any]) -> None:
        """Make the present epoch (iteration) the last one on a plateau."""
        if not self.plateau.see(metrics):
            return
        runner.logger.info(
            "EarlyStoppingHook: %s was not better than %.4g in %d evaluations: the training ends",
            self.plateau.monitor, self.plateau.best, self.plateau.bad,
        )  # fmt: skip
        if counts_epochs(runner):
            runner._max_epochs = runner.epoch + 1
        else:
            runner._max_iters = runner.iter + 1

    def state_dict(self) -> dict[str, Any]:
        """Return the count, for a checkpoint."""
        return self.plateau.state_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue with the count of a checkpoint."""
        self.plateau.load_state_dict(state)


@HOOKS.register_module()
class ReduceLROnPlateauLrUpdaterHook(LrUpdaterHook):  # type: ignore[misc]
    """The policy ``ReduceLROnPlateau`` of ``lr_config``: a rate that falls on plateaus.

    Each time ``monitor`` has not improved in ``patience`` evaluations, the rate is multiplied by
    ``factor``, down to ``min_lr``; the count then begins again. The best value stays.

    Args:
        monitor: Name of a metric of the evaluation.
        factor: Between 0 and 1.
        patience: Evaluations without a better value, after which the rate falls.
        min_lr: The lowest rate.
        min_delta, rule: See ``Plateau``.
        **kwargs: Those of mmcv's hook: ``by_epoch``, ``warmup``, ``warmup_iters``,
            ``warmup_ratio``, ``warmup_by_epoch``.

    Raises:
        ArgumentError: ``factor`` is out of range; see ``Plateau``.
    """

    def __init__(
        self,
        monitor: str = "balanced_accuracy",
        factor: float = 0.1,
        patience: int = 5,
        min_lr: float = 0.0,
        min_delta: float = 0.0,
        rule: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if not 0 < factor < 1:
            raise ArgumentError(f"factor must lie between 0 and 1, got {factor}")
        self.factor, self.min_lr, self.falls = factor, min_lr, 0
        self.plateau = Plateau(monitor, patience, min_delta, rule)

    def before_run(self, runner: Any) -> None:
        """Check that there are evaluations."""
        _needs_evaluation(runner, self)
        super().before_run(runner)

    def get_lr(self, runner: Any, base_lr: float) -> float:
        """Return the rate after the falls so far."""
        return max(base_lr * self.factor**self.falls, min(self.min_lr, base_lr))

    def after_evaluation(self, runner: Any, metrics: Mapping[str, Any]) -> None:
        """Let the rate fall on a plateau."""
        if self.plateau.see(metrics):
            self.falls, self.plateau.bad = self.falls + 1, 0
            runner.logger.info(
                "ReduceLROnPlateau: %s was not better than %.4g in %d evaluations: the learning "
                "rate is multiplied by %g",
                self.plateau.monitor, self.plateau.best, self.plateau.patience, self.factor,
            )  # fmt: skip

    def state_dict(self) -> dict[str, Any]:
        """Return the count and the falls, for a checkpoint."""
        return {**self.plateau.state_dict(), "falls": self.falls}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue with those of a checkpoint."""
        self.plateau.load_state_dict(state)
        self.falls = int(state["falls"])
