"""The update of a target network by its online network, with a growing momentum."""

import math
from typing import Any, Protocol

from mmcv.runner import HOOKS, Hook

from mmselfsup.utils.errors import UserError
from mmselfsup.utils.module import unwrap

from .optimizer_hook import ends_step, interval_of_steps
from .schedule_hook import ScheduleHook


class Follower(Protocol):
    """What the hook needs of a model.

    Attributes:
        base_momentum: Momentum of the target's weights in the first iteration.
        momentum: The momentum of the current iteration, set by the hook.
    """

    base_momentum: float
    momentum: float

    def momentum_update(self) -> None:
        """Move the target by ``momentum``."""
        ...


@HOOKS.register_module(name=["MomentumUpdateHook", "BYOLHook"])
class MomentumUpdateHook(Hook):  # type: ignore[misc]
    """A hook that moves the target after the optimizer step, with a cosine-scheduled momentum.

    ``m = end - (end - base) * (cos(pi * iter / max_iters) + 1) / 2`` (BYOL, section 3.2). The
    momentum depends on the iteration alone, so a resumed run needs no stored state. Where a
    ``ScheduleHook`` has the target ``model.momentum``, this hook leaves it alone and only moves.

    Args:
        end_momentum: The momentum at the end of the training, 0 to 1.
        update_interval: Iterations per update. None takes that of the optimizer hook, any other
            value than that is refused: the target follows the steps of the optimizer.

    Raises:
        UserError: ``update_interval`` is not a positive integer.
    """

    def __init__(self, end_momentum: float = 1.0, update_interval: int | None = None) -> None:
        if update_interval is not None and (
            not isinstance(update_interval, int) or update_interval < 1
        ):
            raise UserError(f"update_interval is {update_interval!r}: give an integer from 1")
        self.end_momentum = end_momentum
        self.update_interval = update_interval
        self._interval = update_interval or 1
        self._is_scheduled = False

    def before_run(self, runner: Any) -> None:
        """Follow the steps of the optimizer.

        Raises:
            UserError: The config asks for another interval.
        """
        self._interval = interval_of_steps(runner, self, self.update_interval)
        schedules = (hook for hook in runner.hooks if isinstance(hook, ScheduleHook))
        self._is_scheduled = any(hook.target == "model.momentum" for hook in schedules)

    def before_train_iter(self, runner: Any) -> None:
        """Set the momentum of an iteration that ends with an update."""
        if self._is_scheduled or not ends_step(runner, self._interval):
            return
        model = self._model(runner)
        progress = runner.iter / runner.max_iters  # 0 to 1
        span = self.end_momentum - model.base_momentum
        model.momentum = self.end_momentum - span * (math.cos(math.pi * progress) + 1) / 2

    def after_train_iter(self, runner: Any) -> None:
        """Move the target; the optimizer hook has stepped already, its priority is higher."""
        if ends_step(runner, self._interval):
            self._model(runner).momentum_update()

    def _model(self, runner: Any) -> Follower:
        model: Any = unwrap(runner.model)
        missing = [
            name
            for name in ("base_momentum", "momentum", "momentum_update")
            if not hasattr(model, name)
        ]
        if missing:
            raise UserError(
                f"custom_hooks: MomentumUpdateHook needs {missing[0]} in the model, which "
                f"{type(model).__name__} doesn't have"
            )
        return model
