"""The schedules of a training, tried for its whole length before the first iteration."""

import copy
import math
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

from mmcv.runner import BaseRunner, LrUpdaterHook, MomentumUpdaterHook

from mmselfsup.utils.errors import UserError, one_line
from mmselfsup.utils.plurals import counted

_MOST = 200  # instants that are tried
# What a schedule raises where it has no value; other errors are of hooks that need the real runner.
_NO_VALUE = (ValueError, ArithmeticError, IndexError)


def check_schedules(runner: BaseRunner, per_epoch: int) -> None:
    """Check that ``lr_config`` and ``momentum_config`` have a value for each instant of a training.

    Args:
        runner: The runner with its hooks and its optimizer.
        per_epoch: Iterations of an epoch.

    Raises:
        UserError: A policy ends before the training, or a value is negative or not finite.
    """
    for hook in runner.hooks:
        if isinstance(hook, LrUpdaterHook):
            _try(hook, "lr_config", "get_lr", "lr", runner, per_epoch)
        elif isinstance(hook, MomentumUpdaterHook):
            _try(hook, "momentum_config", "get_momentum", "momentum", runner, per_epoch)


def _try(
    hook: Any, section: str, method: str, option: str, runner: BaseRunner, per_epoch: int
) -> None:
    """Ask a hook for its values from the first to the last instant of the training."""
    start = _start(runner, option)
    policy = type(hook).__name__
    if start is None or type(hook).__module__.startswith("mmselfsup."):
        return  # ours take any length
    tried = copy.deepcopy(hook)
    for epoch, iteration in _instants(runner, hook.by_epoch, per_epoch):
        facts = SimpleNamespace(
            epoch=epoch, iter=iteration, max_epochs=runner.max_epochs, max_iters=runner.max_iters,
            _max_epochs=runner.max_epochs, _max_iters=runner.max_iters,
        )  # fmt: skip
        if runner.max_iters is None:
            facts.max_iters = facts._max_iters = (runner.max_epochs or 0) * per_epoch
        when = "after " + (
            counted(epoch, "epoch") if hook.by_epoch else counted(iteration, "iteration")
        )
        try:
            value = getattr(tried, method)(facts, start)
        except _NO_VALUE as error:
            raise UserError(
                f"{section}: {policy} has no value {when} ({one_line(error)}), and the training "
                f"has {_length(runner)}: make the two fit"
            ) from error
        except Exception:  # it needs more than these facts
            return
        if isinstance(value, int | float) and (not math.isfinite(value) or value < 0):
            raise UserError(
                f"{section}: {policy} gives {option}={value:g} {when}: it must be a finite number "
                "of at least 0"
            )


def _start(runner: BaseRunner, option: str) -> float | None:
    """Return the option of the first group that the schedule begins with, None without one."""
    optimizer = runner.optimizer
    if isinstance(optimizer, dict):
        optimizer = next(iter(optimizer.values()), None)
    group = optimizer.param_groups[0] if optimizer is not None else {}
    if option == "momentum" and "momentum" not in group:
        return group["betas"][0] if "betas" in group else None
    value = group.get(option)
    return float(value) if isinstance(value, int | float) else None


def _instants(runner: BaseRunner, by_epoch: bool, per_epoch: int) -> Iterator[tuple[int, int]]:
    """Yield epochs and iterations from the first to the last one, ``_MOST`` of them about."""
    length = runner.max_iters or (runner.max_epochs or 0) * per_epoch
    if by_epoch:
        length = runner.max_epochs or -(-length // max(per_epoch, 1))
    step = max(length // _MOST, 1)
    for number in sorted({*range(0, length, step), length - 1} if length else ()):
        if by_epoch:
            yield number, number * per_epoch
        else:
            yield number // max(per_epoch, 1), number


def _length(runner: BaseRunner) -> str:
    """Return the length of a training in words."""
    if runner.max_epochs:
        return counted(runner.max_epochs, "epoch")
    return counted(runner.max_iters or 0, "iteration")
