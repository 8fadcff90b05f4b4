"""A log buffer that does not read losses from their device before a log line needs them."""

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from mmcv.runner import LogBuffer
from torch import Tensor

from mmselfsup.utils import dist
from mmselfsup.utils.errors import SharedError

_WATCHED = "loss"
_SKIPPED = "skipped_steps"


class NonFiniteLossError(SharedError):
    """A training loss is nan or infinite; raised on all ranks at once."""


@dataclass(frozen=True)
class _Update:
    """Tensors of one call of ``update``: (name, index in its history), and the iteration."""

    iteration: int | None
    places: list[tuple[str, int]]


@dataclass(frozen=True)
class _Step:
    """A step of the optimizer: its iteration, and whether the scaler skipped it, [] 0 or 1."""

    iteration: int | None
    skipped: Tensor


def read(tensors: Sequence[Tensor]) -> list[float]:
    """Return the values of 0-d tensors: one transfer for each device and type."""
    groups: dict[tuple[torch.device, torch.dtype], list[int]] = defaultdict(list)
    for i, tensor in enumerate(tensors):
        groups[tensor.device, tensor.dtype].append(i)
    values = [math.nan] * len(tensors)
    for places in groups.values():
        # ``tolist`` waits for the device: once for each group.
        read_at_once = torch.stack([tensors[i] for i in places]).tolist()
        for i, value in zip(places, read_at_once, strict=True):
            values[i] = value
    return values


class TensorLogBuffer(LogBuffer):  # type: ignore[misc]
    """mmcv's buffer for 0-d tensors: stored as they are, read once per log line.

    Values that were passed as tensors are averaged over all ranks, weighted by their counts; plain
    numbers (times) are those of the rank. ``average`` and ``check`` are collectives: every rank
    must call them.

    Attributes:
        iteration: Number of the training iteration, 0-based, that the next ``update`` belongs to;
            None where a non-finite loss need not stop the run (validation).
        keep: Number of values of each name that stay after ``average`` or ``check``: the longest
            interval of a logger. None keeps all.
        max_skips: Number of steps that a loss scaler may skip in a row; None without a scaler.
            With one, a non-finite loss is tolerated if its step was skipped; such values don't
            count in averages, and ``skipped_steps`` in the output is the number of these steps.
    """

    def __init__(self) -> None:
        super().__init__()
        self.iteration: int | None = None
        self.keep: int | None = None
        self.max_skips: int | None = None
        self._waiting: list[_Update | _Step] = []
        self._objects: list[tuple[str, int]] = []  # neither tensors nor numbers: see ``update``
        self._shared: set[str] = set()  # names that were passed as tensors
        self._skips: list[int] = []  # iterations of skipped steps
        self._skips_in_a_row = 0
        self._bad_loss: str | None = None  # a line about it, until its step has been taken
        self._error: str | None = None

    def clear(self) -> None:
        """Delete all values."""
        super().clear()
        self._waiting.clear()
        self._objects.clear()
        self._shared.clear()
        self._skips.clear()

    def update(self, vars: dict[str, Any], count: int = 1) -> None:
        """Add values without waiting for the device.

        Args:
            vars: Numbers, tensors with one element, or objects with ``__float__``, which is called
                when a log line is written.
            count: Weight of these values in an average, the number of samples.

        Raises:
            TypeError: ``vars`` is no dict.
            ValueError: A tensor has more than one element.
        """
        if not isinstance(vars, dict):
            raise TypeError(f"vars must be a dict, got {type(vars).__name__}")
        places = []
        for name, value in vars.items():
            history = self.val_history.setdefault(name, [])
            if isinstance(value, Tensor):
                if value.numel() != 1:
                    raise ValueError(f"{name} must have one element, got {tuple(value.shape)}")
                # A copy: hooks may scale a loss in place before the log line is written.
                value = value.detach().reshape(()).clone()
                places.append((name, len(history)))
                self._shared.add(name)
            elif not isinstance(value, int | float):
                self._objects.append((name, len(history)))
            history.append(value)
            self.n_history.setdefault(name, []).append(count)
        if places:
            self._waiting.append(_Update(self.iteration, places))

    def note_step(self, skipped: Tensor) -> None:
        """Note a step under a loss scaler, without waiting for the device.

        Args:
            skipped: Whether the scaler skips it, 0 or 1 with one element; the same on all ranks.
        """
        self._waiting.append(_Step(self.iteration, skipped.detach().reshape(()).clone()))

    def average(self, n: int = 0) -> None:
        """Put the weighted mean of the last ``n`` values of every name into ``output``.

        Args:
            n: Number of the latest values, 0 for all.

        Raises:
            NonFiniteLossError: A training loss was not finite on any rank.
        """
        if n < 0:
            raise ValueError(f"n must not be negative, got {n}")
        self._fetch()
        sums = {name: self._weighted(name, n) for name in self.val_history}
        shared = {name: sums[name] for name in sums if name in self._shared}
        for name, parts in self._exchange(shared).items():
            sums[name] = (sum(p[0] for p in parts), sum(p[1] for p in parts))
        for name, (total, count) in sums.items():
            self.output[name] = total / count if count else math.nan
        first = (self.iteration or 0) + 1 - n if n else 0
        skips = sum(iteration >= first for iteration in self._skips)
        if skips:
            self.output[_SKIPPED] = skips
        self._trim()
        self.ready = True

    def check(self) -> None:
        """Read the values that are still on the device.

        Raises:
            NonFiniteLossError: A training loss was not finite on any rank.
        """
        self._fetch()
        self._exchange({})
        self._trim()

    def _trim(self) -> None:
        """Delete the values that no later log line needs; none may be on the device any more."""
        if self.keep is None:
            return
        for history in (self.val_history, self.n_history):
            for values in history.values():
                del values[: max(len(values) - self.keep, 0)]
        del self._skips[: max(len(self._skips) - self.keep, 0)]

    def _weighted(self, name: str, n: int) -> tuple[float, float]:
        """Return the sums of value times count and of counts of the last ``n`` values (0: all)."""
        values, counts = self.val_history[name][-n:], self.n_history[name][-n:]
        pairs = zip(values, counts, strict=True)
        return math.fsum(float(v) * c for v, c in pairs), math.fsum(counts)

    def _fetch(self) -> None:
        """Replace stored tensors and objects by numbers, and look for losses that aren't finite."""
        tensors: list[Tensor] = []
        for item in self._waiting:
            if isinstance(item, _Step):
                tensors.append(item.skipped)
            else:
                tensors += [self.val_history[name][i] for name, i in item.places]
        values = iter(read(tensors))
        for item in self._waiting:
            if isinstance(item, _Step):
                self._judge_step(item, next(values) > 0)
                continue
            for name, i in item.places:
                self.val_history[name][i] = next(values)
            self._judge(item)
        self._waiting.clear()
        for name, i in self._objects:
            self.val_history[name][i] = float(self.val_history[name][i])
        self._objects.clear()

    def _judge(self, update: _Update) -> None:
        """Note a loss that is not finite; under a loss scaler, leave it out of the averages."""
        bad = self._describe(update)
        if self.max_skips is None:
            self._error = self._error or bad
            return
        self._bad_loss = self._bad_loss or bad
        for name, i in update.places if update.iteration is not None else ():
            if not math.isfinite(self.val_history[name][i]):
                self.val_history[name][i], self.n_history[name][i] = 0.0, 0

    def _judge_step(self, step: _Step, skipped: bool) -> None:
        """Count a skipped step; a step that was taken with a non-finite loss is an error."""
        if not skipped:
            self._error = self._error or self._bad_loss
        self._bad_loss = None
        self._skips_in_a_row = self._skips_in_a_row + 1 if skipped else 0
        if skipped and step.iteration is not None:
            self._skips.append(step.iteration)
        if self.max_skips is not None and self._skips_in_a_row > self.max_skips:
            self._error = self._error or (
                f"the loss scaler skipped {self._skips_in_a_row} steps in a row, up to iteration "
                f"{(step.iteration or 0) + 1}: the gradients are not finite at any scale; lower "
                "optimizer.lr, lengthen the warm-up or set amp=dict(dtype='bfloat16')"
            )

    def _describe(self, update: _Update) -> str | None:
        """Return a line about the loss of one iteration if it is not finite, else None."""
        values = {name: self.val_history[name][i] for name, i in update.places}
        if update.iteration is None or math.isfinite(values.get(_WATCHED, 0.0)):
            return None
        parts = ", ".join(f"{name} {value:.4g}" for name, value in values.items())
        return (
            f"the loss is not finite at iteration {update.iteration + 1} ({parts}): lower "
            "optimizer.lr, lengthen the warm-up or set optimizer_config.grad_clip"
        )

    def _exchange(
        self, sums: dict[str, tuple[float, float]]
    ) -> dict[str, list[tuple[float, float]]]:
        """Return the sums of all ranks; raise on all ranks if one of them has an error."""
        pooled: dict[str, list[tuple[float, float]]] = defaultdict(list)
        # The error is exchanged with the sums, so that all ranks raise in the same call.
        ranks = dist.all_gather_object((sums, self._error))
        for number, (of_rank, error) in enumerate(ranks):
            if error is not None:
                where = f"rank {number}: " if len(ranks) > 1 else ""
                raise NonFiniteLossError(where + error)
            for name, pair in of_rank.items():
                pooled[name].append(pair)
        return pooled
