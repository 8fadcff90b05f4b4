"""The benchmarks of growth and of DINO beside another library: their work, and their rows."""

from pathlib import Path
from typing import Any

import pytest

from tests.tools.command import ROOT


@pytest.fixture
def growth(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The module ``growth`` of benchmarks/, which is no package."""
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    import growth

    return growth


@pytest.mark.parametrize("name", ["items", "epochs", "clusters", "neighbours"])
def test_each_kind_of_work_runs(growth: Any, name: str, tmp_path: Path) -> None:
    growth.write_images(tmp_path, 32, 64, 48)
    kind = growth.KINDS[name]
    answers = growth.in_turn({1: kind.make(kind.quick, tmp_path)}, 1)
    assert answers[1][0]["cpu"] > 0
    assert set(growth.KINDS) == {"items", "epochs", "clusters", "neighbours"}


def test_linear_growth_is_reached_and_a_fixed_cost_is_not(growth: Any) -> None:
    kind = growth.KINDS["items"]

    def rows(fixed: float) -> list[Any]:
        # Seconds of 16 items: a fixed cost of 16, 4 and 1 calls.
        cpu = {factor: 8.0 + fixed * 16 / factor for factor in (1, 4, 16)}
        answers = {factor: [dict(wall=2 * cpu[factor], cpu=cpu[factor])] * 3 for factor in cpu}
        found: list[Any] = growth.rows_of(kind, 100, answers)
        return found

    linear, with_fixed = rows(0), rows(0.25)
    assert [row.cpu for row in linear] == ["1.000x", "1.000x"]
    assert all(row.met for row in linear)
    assert linear[1].what.startswith("1,600 items")
    assert [row.cpu for row in with_fixed] == ["0.750x", "0.688x"]
    assert not any(row.met for row in with_fixed)
    assert "lowest 0.750 s at 1x, 8.250 s; beside 4x 0.917x" in with_fixed[1].details


def test_all_sizes_do_the_same_number_of_items(growth: Any) -> None:
    done = {1: 0, 4: 0}

    def work(factor: int) -> Any:
        def add() -> None:
            done[factor] += factor

        return add

    answers = growth.in_turn({factor: work(factor) for factor in done}, 2)
    assert done == {1: 1 + 2 * 4, 4: 4 + 2 * 4}  # once without measuring
    assert [len(values) for values in answers.values()] == [2, 2]


def test_synthetic_images_are_the_same_for_a_seed_and_differ_within(
    growth: Any, tmp_path: Path
) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        names = growth.write_images(tmp_path / name, 2, 32, 24)
    first, second = ((tmp_path / "a" / name).read_bytes() for name in names)
    assert first != second
    assert [first, second] == [(tmp_path / "b" / name).read_bytes() for name in names]


def test_the_first_epoch_is_left_out_and_only_the_equal_row_has_a_goal(growth: Any) -> None:
    import end_to_end_dino

    def epochs(first: float, cpu: float, wall: float) -> list[dict[str, float]]:
        return [dict(wall=first, cpu=first), *[dict(wall=wall, cpu=cpu)] * 3]

    answers = {"lightly-train": epochs(99, 2.6, 1.0), "ours": epochs(1, 2.0, 2.0)}
    equal = end_to_end_dino.row_of(answers, 100, True)
    assert (equal.cpu, equal.value, equal.wanted, equal.met) == ("1.30x", "0.50x", "1.3x", True)
    assert "CPU time 1.30 to 1.30x; 20.0 against 26.0 ms an image" in equal.details
    assert "50.0 against 100.0 images/s" in equal.details
    assert end_to_end_dino.row_of(answers, 100, False).met is None
