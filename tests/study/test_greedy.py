"""The greedy curriculum: what is tried, what is kept, when it stops, and what is told of it."""

import io
from collections.abc import Sequence

import pytest

from mmselfsup.study.greedy.choose import search
from mmselfsup.study.greedy.option import MIN_GAIN, read_min_gain
from mmselfsup.study.greedy.record import Curriculum, Score, Tasks, read_curriculum
from mmselfsup.utils.errors import UserError


class Judge:
    """Knows the score of every sequence; those it doesn't know are worth nothing."""

    def __init__(self, scores: dict[str, float | None]) -> None:
        self.scores = scores
        self.asked: list[list[str]] = []

    def __call__(self, candidates: Sequence[Tasks]) -> list[Score]:
        self.asked.append(["".join(tasks) for tasks in candidates])
        return [Score(self.scores.get(name, 0.0)) for name in self.asked[-1]]


def kept(judge: Judge, tasks: str, min_gain: float = 0.01) -> list[str]:
    return ["".join(t.tasks) for t in search(tuple(tasks), judge, min_gain) if t.kept]
