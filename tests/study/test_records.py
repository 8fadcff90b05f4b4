"""results.json: written, read again, refused when it is something else."""

import dataclasses
import json
import re
from pathlib import Path
from typing import Any

import pytest

from mmselfsup.study.records import (
    Curriculum,
    DataFacts,
    GreedyFacts,
    GreedyTask,
    Results,
    Score,
    StudyFacts,
    Trial,
    mixed_code,
    read_results,
)
from mmselfsup.utils.errors import UserError
from mmselfsup.utils.json_records import from_json
from tests.study.study_data import CLASSES, make_facts, make_run, make_ssl


def test_written_results_are_read_again(finished_study: Path) -> None:
    results = read_results(finished_study / "results.json")
    results.write(finished_study / "again.json")
    assert read_results(finished_study / "again.json") == results


def test_every_run_has_what_a_reader_needs(finished_study: Path) -> None:
    data = json.loads((finished_study / "results.json").read_text())
    for run in data["runs"]:
        needed = (
            "config seed fold arm lr n_test balanced_accuracy accuracy recall macro_auc "
            "confusion_matrix epochs seconds checkpoint ssl"
        )
        assert set(needed.split()) <= run.keys()
        assert list(run["recall"]) == CLASSES
        assert sum(map(sum, run["confusion_matrix"])) == run["n_test"]


STUDY_KEYS = [
    "algorithms",
    "compare",
    "greedy",
    "ssl_on",
    "fold",
    "seed",
    "demo",
    "ssl_configs",
    "finetune_config",
    "data",
    "gpus",
    "lrs",
    "date",
    "version",
]
OLDEST = {
    "algorithms": ["simclr"],
    "compare": False,
    "fold": 1,
    "seed": 2,
    "demo": True,
    "ssl_configs": ["a.py"],
    "finetune_config": "b.py",
    "date": "2024-01-01",
    "version": "1.0.0",
}


def test_settings_come_back_as_they_were(tmp_path: Path) -> None:
    study = StudyFacts(
        algorithms=("simclr", "byol"),
        compare=False,
        greedy=GreedyFacts(0.01, {"simclr": GreedyTask("a.py", 3, ("b=1",), "c")}),
        ssl_on="all",
        fold=1,
        seed=2,
        demo=False,
        ssl_configs=("a.py",),
        finetune_config="b.py",
        data=DataFacts("/isic", "0", {"train": "1"}),
        gpus=2,
        lrs=(0.01, 0.03),
        date="2024-01-01",
        version="1.0.0",
    )
    Results(study, [], [], [], {}, {}, []).write(tmp_path / "results.json")
    assert read_results(tmp_path / "results.json").study == study
    plain = json.loads((tmp_path / "results.json").read_text())["study"]
    assert list(plain) == STUDY_KEYS
    assert plain["greedy"]["tasks"]["simclr"]["cfg_options"] == ["b=1"]


def test_settings_of_the_oldest_file_are_read() -> None:
    study = from_json(StudyFacts, OLDEST)
    assert (study.fold, study.seed, study.demo, study.ssl_on) == (1, 2, True, "train")
    assert study.algorithms == ("simclr",)
    assert (study.data, study.gpus, study.lrs, study.greedy) == (None, None, (), None)


@pytest.mark.parametrize(
    "change",
    [
        {"folds": 3},
        {"data": {"images": "/isic"}},
        {"greedy": {"min_gain": 0.01, "tasks": ["simclr"]}},
        {"greedy": {"min_gain": 0.01}},
    ],
)
def test_other_settings_are_refused(finished_study: Path, change: dict) -> None:
    path = finished_study / "results.json"
    content = json.loads(path.read_text())
    content["study"].update(change)
    path.write_text(json.dumps(content))
    with pytest.raises(UserError, match=r"is no results\.json"):
        read_results(path)


def test_nan_becomes_null(tmp_path: Path) -> None:
    run = dataclasses.replace(make_run("scratch", 1.0), macro_auc=float("nan"))
    ssl = dataclasses.replace(make_ssl("simclr"), last_loss=float("inf"))
    Results(make_facts(), [run], [], [ssl], {}, {}, []).write(tmp_path / "results.json")
    assert "NaN" not in (tmp_path / "results.json").read_text()
    results = read_results(tmp_path / "results.json")
    assert results.runs[0].macro_auc is None
    assert results.ssl[0].last_loss is None


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "does not exist"),
        ("{", "is no results.json"),
        ("{}", "is no results.json"),
        ('{"schema": 2, "ssl": [], "runs": [{}]}', "is no results.json"),
        ('{"schema": 99}', "schema 99"),
    ],
)
def test_other_files_are_refused(tmp_path: Path, content: str | None, message: str) -> None:
    path = tmp_path / "results.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(UserError, match=message):
        read_results(path)


def test_different_code_is_noted() -> None:
    old, new = {"version": "1.0.0", "code": "sha256:a"}, {"version": "1.0.0", "code": "sha256:b"}
    unknown = make_run("scratch", 1.0)
    one = dataclasses.replace(unknown, made_by={**old, "revision": "v1", "date": "today"})
    assert mixed_code([unknown, one, dataclasses.replace(one, made_by=old)]) == ""
    assert "1.0.0 (b), 1.0.0 (v1)" in mixed_code([one, dataclasses.replace(one, made_by=new)])
    ssl = dataclasses.replace(make_ssl("simclr"), made_by=new)
    assert "same code" in mixed_code([dataclasses.replace(one, ssl=[ssl])])


def _change(content: Any, place: str, value: Any) -> None:
    """Set the value at a dotted place."""
    *parents, last = place.replace("[", ".").replace("]", "").split(".")
    for part in parents:
        content = content[int(part) if part.isdecimal() else part]
    content[last] = value


@pytest.mark.parametrize(
    ("place", "value", "wanted"),
    [
        ("study.fold", "1", "a whole number, got '1'"),
        ("study.demo", 1, "true or false, got 1"),
        ("runs[0].balanced_accuracy", "0.5", "a number, got '0.5'"),
        ("runs[0].epochs", True, "a whole number, got True"),
        ("runs[0].recall", [0.5], r"an object with keys, got \[0.5\]"),
        ("runs", {}, r"a list, got \{\}"),
        ("ssl[0].name", None, "a text, got None"),
        ("split", None, "an object with keys, got None"),
    ],
)
def test_a_value_of_another_type_is_named(
    finished_study: Path, place: str, value: Any, wanted: str
) -> None:
    path = finished_study / "results.json"
    content = json.loads(path.read_text())
    _change(content, place, value)
    path.write_text(json.dumps(content))
    with pytest.raises(UserError, match=rf"results\.json.*: {re.escape(place)} must be {wanted}"):
        read_results(path)


def test_a_curriculum_without_a_kept_sequence_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    found = Curriculum(0.01, 1, 1, (Trial((), Score(0.5)),))
    Results(make_facts(), [], [], [], {}, {}, [], found).write(path)
    with pytest.raises(UserError, match="no sequence was kept"):
        read_results(path)
