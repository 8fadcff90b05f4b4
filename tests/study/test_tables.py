"""The sentence that sums up, and the table."""

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from mmselfsup.metrics.classification import standard_error
from mmselfsup.models import ALGORITHMS, BaseModel
from mmselfsup.study.configs import load
from mmselfsup.study.records import read_results
from mmselfsup.study.report.tables import (
    compare,
    compare_with_scratch,
    display_name,
    print_results,
)
from tests.study.study_data import make_run

CONFIGS = Path(__file__).parents[2] / "configs" / "selfsup"
METHODS = sorted(path.name for path in CONFIGS.iterdir() if path.name[0] != "_")


@pytest.mark.parametrize(
    ("before", "after", "outcome", "words"),
    [
        (0.5, 2.5, "better", "SimCLR pre-training helps"),
        (2.5, 0.5, "worse", "SimCLR pre-training does not help here"),
        (1.5, 1.5, "unclear", "No clear difference"),
    ],
)
def test_says_what_the_numbers_say(before: float, after: float, outcome: str, words: str) -> None:
    (comparison,) = compare_with_scratch(
        [make_run("scratch", before), make_run("simclr", after, seed=1)]
    )
    assert comparison.outcome == outcome
    assert comparison.text.startswith(words)
    signed = f"{comparison.difference:+.3f}".replace("-", "\N{MINUS SIGN}")
    assert f"({signed}, standard error" in comparison.text


def test_nothing_to_say_about_one_run() -> None:
    assert compare_with_scratch([make_run("scratch", 1.0)]) == []


def test_each_pretraining_is_compared_with_scratch() -> None:
    runs = [make_run("scratch", 1.5), make_run("simclr", 2.5), make_run("relative_loc+odc", 0.5)]
    assert [v.outcome for v in compare_with_scratch(runs)] == ["better", "worse"]
    assert display_name("relative_loc+odc") == "Relative location → ODC"


def test_standard_error_equals_the_std_of_repeated_draws() -> None:
    rng, totals, recalls = np.random.default_rng(0), [40, 300, 90], [0.5, 0.9, 0.7]
    hits = np.array([rng.binomial(n, r, size=20000) for n, r in zip(totals, recalls, strict=True)])
    spread = (hits / np.array(totals)[:, None]).mean(axis=0).std()
    matrix = np.diag([int(n * r) for n, r in zip(totals, recalls, strict=True)])
    for c, n in enumerate(totals):
        matrix[c, (c + 1) % 3] = n - matrix[c, c]
    assert standard_error(matrix.tolist()) == pytest.approx(spread, rel=0.05)


def test_perfect_small_class_is_not_certain() -> None:
    assert standard_error([[3, 0], [0, 3]]) > 0.1


def test_absent_class_is_left_out() -> None:
    assert standard_error([[8, 2], [0, 0]]) == standard_error([[8, 2]])


@pytest.mark.parametrize("name", METHODS)
def test_a_folder_of_configs_is_named_as_its_algorithm(name: str) -> None:
    cls = ALGORITHMS.get(load(next((CONFIGS / name).glob("*.py"))).model.type)
    assert issubclass(cls, BaseModel)
    version = name[-2:] if name[-1].isdigit() and not cls.title.endswith(name[-2:]) else ""
    title = "DCLW" if name == "dcl" else cls.title  # SimCLR with a switch of its head
    assert display_name(name) == f"{title} {version}".strip()


def test_names_as_papers_write_them() -> None:
    assert display_name("mocov1") == "MoCo v1"
    assert display_name("mocov2+rotation_pred") == "MoCo v2 → Rotation prediction"
    assert display_name("scratch") == "from scratch"
    for own in ("my_simclr", "simclr2", "v2", "lesions_v3"):  # with SSL_CONFIG a user names it
        assert display_name(own) == own


def test_printed_table(finished_study: Path) -> None:
    text = io.StringIO()
    print_results(read_results(finished_study / "results.json"), Console(file=text))
    lines = text.getvalue()
    for word in ("from scratch", "SimCLR", "bal. acc.", "MEL", "SCC", "chosen on validation"):
        assert word in lines
    assert max(map(len, lines.splitlines())) <= 100


@pytest.mark.parametrize(("errors", "outcome"), [(1.95, "unclear"), (1.97, "better")])
def test_a_clear_difference_is_that_of_the_interval(errors: float, outcome: str) -> None:
    """The table and the report have the same limit, 1.96 standard errors."""
    before, after = make_run("scratch", 1.5), make_run("simclr", 2.5)
    difference = after.balanced_accuracy - before.balanced_accuracy
    after = replace(after, errors={"scratch": difference / errors})
    assert compare(before, after).outcome == outcome
