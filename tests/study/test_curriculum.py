"""The search of a greedy curriculum: what is tried, what is kept, when it stops; its options."""

import itertools
import random
from collections.abc import Sequence

import pytest

from mmselfsup.study.records import Score, Tasks
from mmselfsup.study.stages.curriculum import search
from mmselfsup.study.values import MIN_GAIN, read_min_gain
from mmselfsup.utils.errors import UserError


class FakeScorer:
    """Knows the score of some sequences; the others are worth nothing."""

    def __init__(self, scores: dict[str, float | None]) -> None:
        self.scores = scores
        self.asked: list[list[str]] = []

    def __call__(self, candidates: Sequence[Tasks]) -> list[Score]:
        self.asked.append(["".join(tasks) for tasks in candidates])
        return [Score(self.scores.get(name, 0.0)) for name in self.asked[-1]]


def kept(scorer: FakeScorer, tasks: str, min_gain: float = 0.01) -> list[str]:
    return ["".join(t.tasks) for t in search(tuple(tasks), scorer, min_gain) if t.kept]


def test_extends_the_best_while_it_gains() -> None:
    scorer = FakeScorer(
        {"": 0.2, "a": 0.3, "b": 0.4, "c": 0.35, "ba": 0.45, "bc": 0.42, "bab": 0.5}
    )
    assert kept(scorer, "abc") == ["b", "ba", "bab"]
    # no task directly behind itself; a task may come back
    assert scorer.asked == [
        [""],
        ["a", "b", "c"],
        ["ba", "bc"],
        ["bab", "bac"],
        ["baba", "babc"],
    ]


def test_every_line_of_the_table_is_reported() -> None:
    scorer = FakeScorer({"": 0.2, "a": 0.3, "b": 0.25, "ab": 0.305})
    trials = search("ab", scorer, 0.01)
    assert [("".join(t.tasks), t.best, t.kept) for t in trials] == [
        ("", False, False),
        ("a", True, True),
        ("b", False, False),
        ("ab", True, False),
    ]
    assert trials[0].gain is None
    assert [t.gain for t in trials[1:]] == pytest.approx([0.1, 0.05, 0.005])


@pytest.mark.parametrize(
    ("second", "min_gain", "length"),
    [(0.51, 0.01, 1), (0.5101, 0.01, 2), (0.5, 0.0, 1), (0.500001, 0.0, 2), (0.49, 0.0, 1)],
)
def test_a_gain_must_be_more_than_the_minimum(second: float, min_gain: float, length: int) -> None:
    assert len(kept(FakeScorer({"a": 0.5, "ab": second}), "ab", min_gain)) == length


def test_the_best_task_is_taken_even_below_the_untrained_network() -> None:
    assert kept(FakeScorer({"": 0.5, "a": 0.3, "b": 0.4}), "ab") == ["b"]


def test_of_equal_scores_the_first_counts() -> None:
    assert kept(FakeScorer({"": 0.1, "a": 0.3, "b": 0.3, "ab": 0.4, "ac": 0.4}), "abc") == [
        "a",
        "ab",
    ]


def test_what_diverges_is_never_kept() -> None:
    scorer = FakeScorer({"": 0.2, "a": None, "b": 0.1, "ba": None, "bc": None, "c": None})
    trials = search("abc", scorer, 0.01)
    assert ["".join(t.tasks) for t in trials if t.kept] == ["b"]
    assert [t.gain for t in trials if t.score.value is None] == [None] * 4
    with pytest.raises(UserError, match=r"every pre-training of ALGORITHM \(a, b\) was not finite"):
        search("ab", FakeScorer({"": 0.2, "a": None, "b": None}), 0.01)


@pytest.mark.parametrize("seed", range(20))
def test_against_a_slow_reference(seed: int) -> None:
    """Random scores: the chosen one is found by walking a table of all sequences."""
    rng = random.Random(seed)
    scores: dict[str, float | None] = {
        "".join(tasks): round(rng.random() * (1 + len(tasks) / 3), 2)
        for n in range(9)
        for tasks in itertools.product("abc", repeat=n)
    }
    best = ""
    while True:
        steps = [s for s in scores if s[:-1] == best and s and s[-1:] != best[-1:]]
        top = max(sorted(steps), key=lambda s: scores[s] or 0.0, default="")
        gain = (scores.get(top) or 0.0) - (scores[best] or 0.0)
        if not top or (best and round(gain, 6) <= 0.05):
            break
        best = top
    assert kept(FakeScorer(scores), "abc", 0.05)[-1] == best


def test_the_minimal_gain() -> None:
    assert read_min_gain(None, None, True, 1) is None
    assert read_min_gain("greedy", None, False, 2) == MIN_GAIN
    assert read_min_gain("greedy", "0", False, 2) == 0.0


@pytest.mark.parametrize(
    ("curriculum", "min_gain", "compare", "num_tasks", "message"),
    [
        ("best", None, False, 2, "--curriculum best: give greedy"),
        ("greedy", None, False, 1, "several pre-trainings: name two or more"),
        ("greedy", None, True, 2, "--compare contradict"),
        (None, "0.1", False, 2, "--min-gain is for --curriculum greedy"),
        ("greedy", "much", False, 2, "--min-gain much: give a difference"),
        ("greedy", "nan", False, 2, "--min-gain nan"),
        ("greedy", "-0.1", False, 2, "--min-gain -0.1"),
        ("greedy", "1", False, 2, "--min-gain 1"),
    ],
)
def test_mistakes_are_one_clear_line(
    curriculum: str | None, min_gain: str | None, compare: bool, num_tasks: int, message: str
) -> None:
    with pytest.raises(UserError, match=message) as error:
        read_min_gain(curriculum, min_gain, compare, num_tasks)
    assert "\n" not in str(error.value)
