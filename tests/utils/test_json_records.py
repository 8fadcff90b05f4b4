"""Dataclasses from JSON: types are checked, and the message names the key."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mmselfsup.utils.errors import ArgumentError
from mmselfsup.utils.files import atomic_write_json
from mmselfsup.utils.json_records import from_json


@dataclass(frozen=True)
class Inner:
    score: float
    names: tuple[str, ...] = ()


@dataclass(frozen=True)
class Outer:
    count: int
    inner: list[Inner]
    table: dict[str, float | None] = field(default_factory=dict)
    best: Inner | None = None
    anything: Any = None


def test_what_was_written_comes_back(tmp_path: Path) -> None:
    record = Outer(1, [Inner(0.5, ("a", "b")), Inner(2)], {"x": None}, Inner(1.0), [1, "a"])
    atomic_write_json(tmp_path / "a.json", asdict(record))
    assert from_json(Outer, json.loads((tmp_path / "a.json").read_text())) == record


def test_every_file_is_json_of_the_standard(tmp_path: Path) -> None:
    def refuse(name: str) -> None:
        raise AssertionError(f"{name} is no JSON")

    values = [math.nan, (math.inf, -math.inf), {"a": np.float64("nan"), math.nan: 1}]
    atomic_write_json(tmp_path / "a.json", values)
    text = (tmp_path / "a.json").read_text()
    assert json.loads(text, parse_constant=refuse) == [None, [None, None], {"a": None, "nan": 1}]


def test_null_is_no_number() -> None:
    assert math.isnan(from_json(Inner, {"score": None}).score)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ([], "the content must be an object with keys"),
        ({"count": 1}, "the key inner is missing"),
        ({"count": 1, "inner": [], "more": 1}, "the key more is not known"),
        ({"count": 1.5, "inner": []}, "count must be a whole number, got 1.5"),
        ({"count": True, "inner": []}, "count must be a whole number, got True"),
        ({"count": 1, "inner": [{"score": "x"}]}, r"inner\[0\]\.score must be a number, got 'x'"),
        (
            {"count": 1, "inner": [{"score": 1, "names": [2]}]},
            r"inner\[0\]\.names\[0\] must be",
        ),
        ({"count": 1, "inner": {}}, "inner must be a list"),
        ({"count": 1, "inner": [], "table": {"x": "y"}}, r"table\.x must be a number"),
        ({"count": 1, "inner": [], "best": 3}, "best must be an object"),
    ],
)
def test_errors_name_the_key(data: Any, message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        from_json(Outer, data)
