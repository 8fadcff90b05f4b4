"""results.json: written, read again, refused when it is something else."""

import dataclasses
import json
from pathlib import Path

import pytest

from mmselfsup.study.records import Results, read_results
from mmselfsup.utils.errors import UserError
from tests.study.study_data import CLASSES, make_run, make_ssl


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


def test_nan_becomes_null(tmp_path: Path) -> None:
    run = dataclasses.replace(make_run("scratch", 1.0), macro_auc=float("nan"))
    ssl = dataclasses.replace(make_ssl("simclr"), last_loss=float("inf"))
    Results({}, [run], [], [ssl], {}, {}, []).write(tmp_path / "results.json")
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
