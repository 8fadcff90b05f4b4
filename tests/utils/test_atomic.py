import json
import os
import stat

import pytest

from mmselfsup.utils.atomic import atomic_write, atomic_write_json, atomic_write_text
from mmselfsup.utils.errors import UserError


def test_writes_whole_file_and_makes_parents(tmp_path):
    target = tmp_path / "a" / "b.json"
    atomic_write_json(target, {"x": [1, 2]})
    assert json.loads(target.read_text()) == {"x": [1, 2]}
    assert os.listdir(target.parent) == ["b.json"]


def test_failure_keeps_the_old_file_and_leaves_nothing_beside_it(tmp_path):
    target = tmp_path / "result.txt"
    atomic_write_text(target, "old")
    with pytest.raises(RuntimeError, match="boom"), atomic_write(target, "w") as file:
        file.write("half of the ne")
        raise RuntimeError("boom")
    assert target.read_text() == "old"
    assert os.listdir(tmp_path) == ["result.txt"]


def test_file_mode_follows_the_umask(tmp_path):
    old = os.umask(0o022)
    try:
        atomic_write_text(tmp_path / "f", "x")
    finally:
        os.umask(old)
    assert stat.S_IMODE((tmp_path / "f").stat().st_mode) == 0o644


def test_unwritable_folder_is_one_clear_line(tmp_path):
    (tmp_path / "file").write_text("I am no folder")
    with pytest.raises(UserError, match="can't write"):
        atomic_write_text(tmp_path / "file" / "x.txt", "text")
