"""A number of the model or of the optimizer that changes with the iterations of a training.

``lr_config`` is about the learning rate; this hook is for everything else that papers schedule:
weight decay (DINO), the temperature of a teacher, the momentum of a target, the weight of a loss.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from difflib import get_close_matches
from typing import Any

from mmcv.runner import HOOKS, Hook, LrUpdaterHook, MomentumUpdaterHook
from torch import Tensor, nn

from mmselfsup.utils.errors import UserError
from mmselfsup.utils.module import unwrap

from .finetune_hooks import counts_epochs
from .optimizer_hook import interval_of_steps

_POLICIES = ("cosine", "linear", "step")
_ROOTS = ("model", "optimizer")
#: Options that a hook of mmcv sets in each iteration.
_OF_MMCV = {"lr": LrUpdaterHook, "momentum": MomentumUpdaterHook, "betas": MomentumUpdaterHook}


@HOOKS.register_module()
class ScheduleHook(Hook):  # type: ignore[misc]
    """A schedule by iteration for one number of the model or the optimizer.

    ::

        custom_hooks = [
            dict(type="ScheduleHook", target="optimizer.weight_decay", start=0.04, end=0.4),
            dict(type="ScheduleHook", target="model.head.temperature", policy="linear",
                 start=0.04, end=0.07, until=30),
        ]

    With ``p`` from 0 to 1 between the end of the warm-up and ``until``, the value is

    - ``cosine``: ``end - (end - start) * (cos(pi * p) + 1) / 2``;
    - ``linear``: ``start + (end - start) * p``;
    - ``step``: ``start * gamma ** n`` after ``n`` of ``steps``.

    In the warm-up it rises from ``warmup_start`` to ``start`` on a line. The value depends on the
    iteration alone: a resumed run has the same one. Where a step of the optimizer takes several
    batches, all of them have the value of the first, so that the schedule is that of a run with
    large batches. The loggers get the value under the name of the target.

    Args:
        target: ``optimizer.<option>`` for an option of the optimizer's groups (``betas.1`` for a
            part of one), or ``model.<name>`` for an attribute, as ``model.head.temperature``.
            Groups that have another value than the optimizer itself (``paramwise_options``) keep
            their ratio to it: a weight decay of 0 stays 0.
        policy: ``'cosine'``, ``'linear'`` or ``'step'``.
        start: Value after the warm-up; None for that of the config.
        end: Value at the end; needed for ``'cosine'`` and ``'linear'``.
        until: Where ``end`` is reached, in epochs (iterations with ``by_epoch=False``); the value
            stays from there on. None for the end of the training.
        steps: Where the value changes, for ``'step'``, in the same unit.
        gamma: Factor of a change, for ``'step'``.
        warmup: Length of the warm-up, in the same unit; fractions are allowed.
        warmup_start: Value at the beginning of the warm-up.
        by_epoch: Unit of these lengths: epochs or iterations. None for epochs where the runner
            counts them. The value changes with each iteration in both cases.

    Raises:
        UserError: An argument can't be used; at the start of a run: the target doesn't exist, is
            no number, or another hook sets it.
    """

    default_priority = "VERY_HIGH"  # before everything that uses the value, as mmcv's schedules

    def __init__(
        self,
        target: str,
        policy: str = "cosine",
        start: float | None = None,
        end: float | None = None,
        until: float | None = None,
        steps: Sequence[float] = (),
        gamma: float = 0.1,
        warmup: float = 0,
        warmup_start: float = 0.0,
        by_epoch: bool | None = None,
    ) -> None:
        self.target, self.policy = target, policy
        self.start, self.end, self.until = start, end, until
        self.steps, self.gamma = sorted(steps), gamma
        self.warmup, self.warmup_start = warmup, warmup_start
        self.by_epoch = by_epoch
        self._check()
        self._unit, self._interval, self._first = 1, 1, 0.0
        self._set: Callable[[float], None] = lambda value: None

    def _check(self) -> None:
        """Check the arguments.

        Raises:
            UserError: One can't be used.
        """
        root = str(self.target).partition(".")[0]
        if root not in _ROOTS or not str(self.target).partition(".")[2]:
            raise self._error("give 'model.<name>' or 'optimizer.<option>'")
        if self.policy not in _POLICIES:
            raise self._error(
                f"policy={self.policy!r}{_hint(str(self.policy), _POLICIES)} use one of "
                f"{', '.join(_POLICIES)}"
            )
        if self.policy == "step" and (not self.steps or (self.end, self.until) != (None, None)):
            raise self._error("policy='step' needs steps (and gamma), and has no end and no until")
        if self.policy != "step" and (self.end is None or self.steps):
            raise self._error(f"policy={self.policy!r} needs end, and has no steps")
        numbers = {
            "start": self.start, "end": self.end, "until": self.until, "gamma": self.gamma,
            "warmup": self.warmup, "warmup_start": self.warmup_start,
            **{f"steps.{i}": step for i, step in enumerate(self.steps)},
        }  # fmt: skip
        for name, value in numbers.items():
            if value is not None and not (is_number(value) and math.isfinite(value)):
                raise self._error(f"{name}={value!r} is no number")
        if self.warmup < 0 or (self.until is not None and self.until <= self.warmup):
            raise self._error("give a warmup from 0, and an until behind it")

    def _error(self, reason: str) -> UserError:
        return UserError(f"custom_hooks: ScheduleHook of {self.target!r}: {reason}")

    def before_run(self, runner: Any) -> None:
        """Find the target, the unit and the batches of a step.

        Raises:
            UserError: The target can't be set.
        """
        self._interval = interval_of_steps(runner, self, None)
        by_epoch = counts_epochs(runner) if self.by_epoch is None else self.by_epoch
        if by_epoch and not counts_epochs(runner):
            raise self._error("this runner has no epochs; set by_epoch=False")
        self._unit = runner.max_iters // runner.max_epochs if by_epoch else 1
        if self.until is not None and self.until * self._unit > runner.max_iters:
            length = runner.max_epochs if by_epoch else runner.max_iters
            raise self._error(f"until={self.until}, and the training ends at {length}")
        if any(
            other is not self and isinstance(other, ScheduleHook) and other.target == self.target
            for other in runner.hooks
        ):
            raise self._error("there are two of them")
        root, _, name = self.target.partition(".")
        present, self._set = (
            self._option(runner, name) if root == "optimizer" else self._attribute(runner, name)
        )
        self._first = float(present if self.start is None else self.start)

    def before_train_iter(self, runner: Any) -> None:
        """Set the value of this iteration."""
        value = self.value(runner.iter - runner.iter % self._interval, runner.max_iters)
        self._set(value)
        runner.log_buffer.update({self.target: value})

    def value(self, iteration: int, max_iters: int) -> float:
        """Return the value in an iteration, 0-based, of a training of ``max_iters``."""
        warmup = self.warmup * self._unit
        if iteration < warmup:
            return self.warmup_start + (self._first - self.warmup_start) * iteration / warmup
        if self.policy == "step":
            done = sum(iteration >= step * self._unit for step in self.steps)
            return float(self._first * self.gamma**done)
        end = float(self.end or 0)
        last = max_iters if self.until is None else self.until * self._unit
        progress = min(1.0, (iteration - warmup) / (last - warmup)) if last > warmup else 1.0
        if progress == 1:
            return end
        if self.policy == "linear":
            return self._first + (end - self._first) * progress
        return end - (end - self._first) * (math.cos(math.pi * progress) + 1) / 2

    def _option(self, runner: Any, name: str) -> tuple[float, Callable[[float], None]]:
        """Return the value of an option of the optimizer, and the function that sets it."""
        several = runner.optimizer
        optimizers = list(several.values()) if isinstance(several, dict) else [several]
        option, _, part = name.partition(".")
        for optimizer in optimizers:
            known = [key for key, v in optimizer.defaults.items() if _numbers_in(v)]
            if option not in known:
                kind = type(optimizer).__name__
                raise self._error(f"{kind} has no such option{_hint(option, known, 'it has')}")
        for hook in runner.hooks:
            if isinstance(hook, _OF_MMCV.get(option, ())):
                raise self._error(
                    f"lr_config or momentum_config sets {option} already; take it out"
                )
        groups = [group for optimizer in optimizers for group in optimizer.param_groups]
        # In the groups, and so in checkpoints: a resumed group holds a value of the schedule, and
        # its options count, not those of a config that has changed since.
        firsts = [group.setdefault(f"initial_{option}", group[option]) for group in groups]
        base = groups[0].setdefault(f"base_{option}", optimizers[0].defaults[option])
        if bool(part) != isinstance(base, tuple | list) or (
            part and not (part.isdigit() and int(part) < len(base))
        ):
            raise self._error(f"{option} is {base!r}; name one of its numbers, as in betas.1")
        base = base[int(part)] if part else base
        index = int(part) if part else None

        def set_option(value: float) -> None:
            for group, first in zip(groups, firsts, strict=True):
                own = first if index is None else first[index]
                # Groups with the base's value get the value itself: a ratio of 1 would round.
                scaled = value if own == base else own * (value / base) if base else own
                if index is None:
                    group[option] = scaled
                else:
                    values = list(group[option])
                    values[index] = scaled
                    group[option] = type(group[option])(values)

        return float(base), set_option

    def _attribute(self, runner: Any, name: str) -> tuple[float, Callable[[float], None]]:
        """Return the value of an attribute of the model, and the function that sets it."""
        owner: Any = unwrap(runner.model)
        *path, last = name.split(".")
        for i, part in enumerate(path):
            inner = getattr(owner, part, None)
            if inner is None or isinstance(inner, Tensor | int | float | str):
                parts = [n for n, child in _attributes(owner) if not is_settable(child)]
                where = ".".join(["model", *path[:i]])
                raise self._error(f"{where} has no part {part!r}{_hint(part, parts, 'it has')}")
            owner = inner
        present: Any = getattr(owner, last, None)
        if not is_settable(present):
            numbers = [n for n, value in _attributes(owner) if is_settable(value)]
            raise self._error(
                f"{type(owner).__name__} has no number {last!r}{_hint(last, numbers, 'it has')}"
            )
        if isinstance(present, Tensor):
            return self._tensor(present)
        try:
            setattr(owner, last, present)
        except AttributeError as error:  # a property
            raise self._error(f"{last!r} of {type(owner).__name__} can't be set") from error
        return float(present), lambda value: setattr(owner, last, value)

    def _tensor(self, present: Tensor) -> tuple[float, Callable[[float], None]]:
        """Return the same for a buffer, which a resumed run finds with a value of the schedule."""
        if self.start is None:
            raise self._error("a buffer needs start: checkpoints hold its present value")

        def fill(value: float) -> None:
            present.fill_(value)

        return self.start, fill


def is_number(value: Any) -> bool:
    """Return whether a value is a Python number, and not True or False."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def is_settable(value: Any) -> bool:
    """Return whether a value is a number, or a buffer of one that is not trained."""
    if isinstance(value, Tensor):
        one = value.ndim == 0 and value.is_floating_point()
        return one and not isinstance(value, nn.Parameter)
    return is_number(value)


def _numbers_in(value: Any) -> bool:
    """Return whether a value is a number or some numbers."""
    several = isinstance(value, tuple | list) and len(value) > 0
    return is_number(value) or (several and all(map(is_number, value)))


def _attributes(owner: Any) -> list[tuple[str, Any]]:
    """Return the public attributes of an object: its own, and parts and buffers of a module."""
    own = dict(vars(owner)) if hasattr(owner, "__dict__") else {}
    if isinstance(owner, nn.Module):
        own.update({**dict(owner.named_children()), **dict(owner.named_buffers(recurse=False))})
    return sorted((name, value) for name, value in own.items() if not name.startswith("_"))


def _hint(name: str, known: Iterable[str], listed: str = "") -> str:
    """Return the nearest known name for a message, and all of them behind ``listed``."""
    known = list(known)
    close = get_close_matches(name, known, n=1, cutoff=0.5)
    near = f"; did you mean {close[0]!r}?" if close else ";"
    return f"{near} {listed} {', '.join(known) or 'none'}" if listed else near
