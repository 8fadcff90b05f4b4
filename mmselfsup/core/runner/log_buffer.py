"""A log buffer that does not read losses from their device before a log line needs them."""

import math
from collections import defaultdict
from dataclasses import dataclass
from typing import Any

import torch
from mmcv.runner import LogBuffer
from torch import Tensor

from mmselfsup.utils import dist
from mmselfsup.utils.errors import SharedError

_WATCHED = "loss"


class NonFiniteLossError(SharedError):
    """A training loss is nan or infinite; raised on all ranks at once."""


@dataclass(frozen=True)
class _Update:
    """Tensors of one call of ``update``: (name, index in its history), and the iteration."""

    iteration: int | None
    places: list[tuple[str, int]]


class TensorLogBuffer(LogBuffer):  # type: ignore[misc]
    """mmcv's buffer for 0-d tensors: stored as they are, read once per log line.

    Values that were passed as tensors are averaged over all ranks, weighted by their counts; plain
    numbers (times) are those of the rank. ``average`` and ``check`` are collectives: every rank
    must call them.

    Attributes:
        iteration: Number of the training iteration, 0-based, that the next ``update`` belongs to;
            None where a non-finite loss need not stop the run (validation).
    """

    def __init__(self) -> None:
        super().__init__()
        self.iteration: int | None = None
        self._waiting: list[_Update] = []
        self._shared: set[str] = set()  # names that were passed as tensors
        self._error: str | None = None

    def clear(self) -> None:
        """Delete all values."""
        super().clear()
        self._waiting.clear()
        self._shared.clear()

    def update(self, vars: dict[str, Any], count: int = 1) -> None:
        """Add values without waiting for the device.

        Args:
            vars: Numbers or tensors with one element.
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
            history.append(value)
            self.n_history.setdefault(name, []).append(count)
        if places:
            self._waiting.append(_Update(self.iteration, places))

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
        self.ready = True

    def check(self) -> None:
        """Read the values that are still on the device.

        Raises:
            NonFiniteLossError: A training loss was not finite on any rank.
        """
        self._fetch()
        self._exchange({})

    def _weighted(self, name: str, n: int) -> tuple[float, float]:
        """Return the sums of value times count and of counts of the last ``n`` values (0: all)."""
        values, counts = self.val_history[name][-n:], self.n_history[name][-n:]
        pairs = zip(values, counts, strict=True)
        return math.fsum(float(v) * c for v, c in pairs), math.fsum(counts)

    def _fetch(self) -> None:
        """Replace stored tensors by numbers: one transfer for each device and type."""
        groups: dict[tuple[torch.device, torch.dtype], list[tuple[str, int]]] = defaultdict(list)
        for name, i in (place for update in self._waiting for place in update.places):
            tensor = self.val_history[name][i]
            groups[tensor.device, tensor.dtype].append((name, i))
        for places in groups.values():
            # ``tolist`` waits for the device: once for each group.
            values = torch.stack([self.val_history[name][i] for name, i in places]).tolist()
            for (name, i), value in zip(places, values, strict=True):
                self.val_history[name][i] = value
        for update in self._waiting:
            self._error = self._error or self._describe(update)
        self._waiting.clear()

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
