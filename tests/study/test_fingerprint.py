"""What a command reads: each thing that can change a number changes its stamp, and only that."""

from pathlib import Path
from typing import Any

import pytest

from mmselfsup.study.fingerprint import command_stamp, file_stamp
from mmselfsup.study.step import Step


def stamp(root: Path, *argv: str) -> dict[str, Any]:
    return command_stamp(("tools/train.py", *argv), root)


def test_every_file_of_an_imported_package_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "own_package_of_fingerprints"
    (package / "losses").mkdir(parents=True)
    for name in ("__init__.py", "a.py", "losses/b.py"):
        (package / name).write_text("")
    (tmp_path / "c.py").write_text(f"custom_imports = dict(imports=[{package.name!r}])\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    before = stamp(tmp_path, "c.py")
    assert stamp(tmp_path, "c.py") == before
    for name in ("__init__.py", "a.py", "losses/b.py"):
        (package / name).write_text("x = 1\n")
        after = stamp(tmp_path, "c.py")
        assert after != before, name
        before = after


def test_each_positional_argument_counts(tmp_path: Path) -> None:
    (tmp_path / "w.pth").write_text("1")
    first = stamp(tmp_path, "w.pth", "2", "3")
    assert (first["argument 2"], first["argument 3"]) == (2, 3)
    assert stamp(tmp_path, "w.pth", "1", "3") != first
    (tmp_path / "w.pth").write_text("2")
    assert stamp(tmp_path, "w.pth", "2", "3")["checkpoint"] != first["checkpoint"]


def test_weights_of_a_step_are_known_by_its_settings(tmp_path: Path) -> None:
    step = Step("training", tmp_path / "run", {"lr": 0.1}, ("latest.pth", "scores.json"))
    step.begin()
    for name in ("latest.pth", "scores.json", "other.pth"):
        (step.folder / name).write_text("1")
    step.finish(1.0)
    weights, plain = step.folder / "latest.pth", step.folder / "scores.json"
    assert "of settings" in file_stamp(weights)
    # What the step did not record, or what is no checkpoint, is known by its content alone.
    assert file_stamp(plain) == file_stamp(step.folder / "other.pth")
    assert "of settings" not in file_stamp(plain)
    weights.write_text("2")
    assert "of settings" not in file_stamp(weights)


def test_a_list_that_can_not_be_read_is_left_to_the_command(tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_bytes(b"\xff\xfe\x00 no text")
    assert stamp(tmp_path, "--train", "list.txt")["train"]
