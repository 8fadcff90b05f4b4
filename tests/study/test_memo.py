"""Numbers that are kept until what they are computed from changes."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from mmselfsup.study import external_measures, memo
from mmselfsup.study.external_measures import kept_measure, measure
from mmselfsup.study.memo import content_key, remembered
from mmselfsup.study.report import result_section
from tests.study.test_external import scored


def test_a_key_is_of_types_shapes_contents_and_order(monkeypatch: pytest.MonkeyPatch) -> None:
    ones = np.ones(4)
    given = [
        (ones,), (ones.reshape(2, 2),), (ones.astype("f4"),), (ones * 2,), (ones, ones), (None,),
        ("1",), (1,), (["a", "b"],), ({"a": "b"},), (),
    ]  # fmt: skip
    assert len({content_key(*values) for values in given}) == len(given)
    assert content_key(np.arange(6).reshape(2, 3).T) == content_key(
        np.ascontiguousarray(np.arange(6).reshape(2, 3).T)
    )
    before = content_key(ones)
    monkeypatch.setattr(memo, "source_digest", lambda: "other sources")
    assert content_key(ones) != before


def test_what_is_kept_is_read_until_its_key_changes(tmp_path: Path) -> None:
    path, made = tmp_path / "a.json", []

    def make() -> dict[str, float]:
        made.append(len(made))
        return {"x": float("nan"), "n": len(made)}

    def read(value: dict[str, float]) -> tuple[object, int]:
        return value["x"], int(value["n"])

    assert remembered(path, "one", make, read) == (None, 1)  # as JSON has it, also the first time
    assert remembered(path, "one", make, read) == (None, 1)
    assert remembered(path, "two", make, read) == (None, 2)
    for damaged in ("", "[1]", '{"key": "two"}', '{"key": "two", "value": {"x": 1}}', "3"):
        path.write_text(damaged)
        number = remembered(path, "two", make, read)[1]
        assert number == len(made)
        assert json.loads(path.read_text())["key"] == "two"
    assert len(made) == 7


def test_measures_of_a_set_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own, other = scored(0, 3.0), dataclasses.replace(scored(1, 1.0), parts={"sex": ["m", "f"] * 24})
    expected = measure("scratch", "clinic", other, own, 1.5)
    given = tmp_path, "scratch", "clinic", other, own, 1.5
    assert kept_measure(*given) == expected
    counted = []
    monkeypatch.setattr(
        external_measures, "measure", lambda *args: counted.append(args) or measure(*args)
    )
    assert kept_measure(*given) == expected
    assert counted == []
    changed = dataclasses.replace(other, scores=other.scores + np.eye(5)[0])
    groups = dataclasses.replace(other, groups=None)
    parts = dataclasses.replace(other, parts={})
    for index, value in ((3, changed), (3, groups), (3, parts), (4, None), (5, 2.0)):
        new = [*given[:index], value, *given[index + 1 :]]
        record = kept_measure(*new)
        assert len(counted) == 1, index
        assert record == measure(*new[1:])
        counted.clear()
        kept_measure(*given)
        counted.clear()


def test_intervals_of_the_report_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scores = np.random.default_rng(0).random((40, 3))
    labels = np.arange(40) % 2  # no image of the third class
    path = tmp_path / "intervals.json"
    first = result_section._kept_intervals(path, scores, labels, None)
    assert set(first) == {"balanced_accuracy", "accuracy", "macro_auc"}
    monkeypatch.setattr(result_section, "bootstrap_intervals", None)
    assert result_section._kept_intervals(path, scores, labels, None) == first
    with pytest.raises(TypeError):
        result_section._kept_intervals(path, scores[:, ::-1], labels, None)


def test_an_interval_that_is_not_defined_stays_nan(tmp_path: Path) -> None:
    path = tmp_path / "intervals.json"
    for _ in range(2):
        ends = result_section._kept_intervals(path, np.eye(2)[[0, 0]], np.zeros(2, int), None)
        assert np.isnan(ends["macro_auc"]).all()
        assert ends["accuracy"] == (1.0, 1.0)
