"""A row of the comparison of frozen features."""

import dataclasses

import pytest

from mmselfsup.study.benchmark_table import UNTRAINED, FrozenRecord, cells


def record(name: str, score: float) -> FrozenRecord:
    values = {f.name: None for f in dataclasses.fields(FrozenRecord)}
    numbers = dict(seed=0, epochs=3, views=600, knn=score, probe=score, seconds=90.0)
    return FrozenRecord(**{**values, **numbers, "name": name})  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["byol", "vicreg"])
def test_only_a_trained_network_has_minutes_and_a_verdict(name: str) -> None:
    trained, worse, untrained = record(name, 0.4), record(name, 0.2), record(UNTRAINED, 0.3)
    rows = [trained, worse, untrained]
    assert cells(trained, rows)[6:8] == ["yes", "1.5"]
    assert cells(worse, rows)[6:8] == ["no", "1.5"]
    assert cells(untrained, rows)[6:8] == ["", ""]
