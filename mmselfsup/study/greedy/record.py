"""The record of a greedy curriculum in results.json: every sequence tried and its score."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mmselfsup.utils.errors import ArgumentError

Tasks = tuple[str, ...]


@dataclass(frozen=True)
class Score:
    """The score of the frozen features of a network.

    Attributes:
        value: Balanced accuracy of a linear probe on the validation lesions, 0..1; None: the
            training diverged.
        error: Its standard error, from the number of validation images; None if ``value`` is.
        epochs: Epochs of the last task's training.
        seconds: Wall-clock time of that training.
    """

    value: float | None
    error: float | None = None
    epochs: int = 0
    seconds: float = 0.0


@dataclass(frozen=True)
class Trial:
    """A line of the decision table.

    Attributes:
        tasks: The sequence, in order; empty: the untrained network.
        score: Score of its network.
        gain: Its score minus that of the sequence which it extends (of one task: minus that of
            the untrained network); None for the untrained network and for what diverged.
        best: Whether it gains the most in its round.
        kept: Whether it was accepted, so that the next round extends it.
    """

    tasks: Tasks
    score: Score
    gain: float | None = None
    best: bool = False
    kept: bool = False


@dataclass(frozen=True)
class Curriculum:
    """How a greedy curriculum was chosen.

    Attributes:
        min_gain: What a further task had to gain, balanced accuracy 0..1.
        num_fit: Images that the probes were fitted on.
        num_val: Images that they were scored on.
        trials: The untrained network, then the sequences tried, round by round.
    """

    min_gain: float
    num_fit: int
    num_val: int
    trials: tuple[Trial, ...]

    @property
    def chosen(self) -> Tasks:
        """The sequence that the classifier is fine-tuned from."""
        return [trial.tasks for trial in self.trials if trial.kept][-1]

    @property
    def last_best(self) -> Trial | None:
        """The best of the last round; None if all of it diverged."""
        last = [t for t in self.trials if len(t.tasks) == len(self.trials[-1].tasks)]
        return next((trial for trial in last if trial.best), None)


def read_curriculum(data: Mapping[str, Any]) -> Curriculum:
    """Make a curriculum from the entry of results.json.

    Raises:
        ArgumentError: No sequence in it was kept.
        KeyError: A part is missing.
        TypeError: A part is unknown, or of another kind.
    """
    trials = tuple(
        Trial(**{**trial, "tasks": tuple(trial["tasks"]), "score": Score(**trial["score"])})
        for trial in data["trials"]
    )
    if not any(trial.kept for trial in trials):
        raise ArgumentError("trials: no sequence was kept")
    return Curriculum(**{**data, "trials": trials})
