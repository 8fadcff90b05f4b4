"""Results that a model card shows: those of the log and of test files beside the checkpoint."""

import json
from pathlib import Path
from typing import Any

import pytest

from mmselfsup.apis.export_facts import found_metrics
from mmselfsup.utils.files import sha256


def test_only_metrics_are_results(tmp_path: Path) -> None:
    numbers = {"accuracy": 0.5, "num_classes": 3.0, "head1_num_classes": 3.0}
    line = {"mode": "val", "epoch": 2, "iter": 1, "lr": 0.1, **numbers}
    (tmp_path / "20260101_000000.log.json").write_text(
        json.dumps({"seed": 0}) + "\n" + json.dumps(line) + "\n"
    )
    checkpoint = tmp_path / "latest.pth"
    checkpoint.touch()
    tested = {"checkpoint": str(checkpoint), "metrics": {**numbers, "per_class": {"cat": 1.0}}}
    (tmp_path / "scores.json").write_text(json.dumps(tested))
    found = found_metrics(str(checkpoint), {"epoch": 2})
    assert found == {
        "scores.json": {"accuracy": 0.5},
        "Validation after epoch 2": {"accuracy": 0.5},
    }


def test_results_of_weights_that_were_there_before_are_left_out(tmp_path: Path) -> None:
    """A training writes ``latest.pth`` again, and the file of the test stays."""
    checkpoint = tmp_path / "latest.pth"
    checkpoint.write_bytes(b"first")
    tested = {"checkpoint": str(checkpoint), "metrics": {"accuracy": 0.5}}
    for sha, found in ((sha256(checkpoint), True), (sha256(checkpoint)[::-1], False), (None, True)):
        tested["sha256"] = sha
        (tmp_path / "scores.json").write_text(json.dumps(tested))
        assert bool(found_metrics(str(checkpoint), {})) == found


@pytest.mark.parametrize("metrics", [[0.5], 0.5, None, "accuracy"])
def test_files_of_another_form_have_no_results(tmp_path: Path, metrics: Any) -> None:
    checkpoint = tmp_path / "latest.pth"
    checkpoint.touch()
    content = {"checkpoint": str(checkpoint), "metrics": metrics}
    (tmp_path / "other.json").write_text(json.dumps(content))
    assert found_metrics(str(checkpoint), {}) == {}
