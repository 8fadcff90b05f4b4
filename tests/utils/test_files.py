import json
import multiprocessing
import os
import stat

import pytest

from mmselfsup.utils.errors import UserError
from mmselfsup.utils.files import (
    atomic_write,
    atomic_write_json,
    atomic_write_text,
    check_writable,
    remove_leftovers,
)


def test_writes_whole_file_and_makes_parents(tmp_path):
    target = tmp_path / "a" / "b.json"
    atomic_write_json(target, {"x": [1, 2]})
    assert json.loads(target.read_text()) == {"x": [1, 2]}
    assert os.listdir(target.parent) == ["b.json"]


def test_failure_keeps_the_old_file_and_leaves_nothing_beside_it(tmp_path):
    target = tmp_path / "result.txt"
    atomic_write_text(target, "old")

    def fail_half_way():
        with atomic_write(target, "w") as file:
            file.write("half of the ne")
            raise RuntimeError("boom")

    with pytest.raises(RuntimeError, match="boom"):
        fail_half_way()
    assert target.read_text() == "old"
    assert os.listdir(tmp_path) == ["result.txt"]


def test_file_mode_is_that_of_any_new_file(tmp_path):
    atomic_write_text(tmp_path / "ours", "x")
    (tmp_path / "plain").write_text("x")
    modes = [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("ours", "plain")]
    assert modes[0] == modes[1]


def test_unwritable_folder_is_one_clear_line(tmp_path):
    (tmp_path / "file").write_text("I am no folder")
    with pytest.raises(UserError, match="can't write"):
        atomic_write_text(tmp_path / "file" / "x.txt", "text")


def test_check_before_the_work(tmp_path):
    (tmp_path / "file").touch()
    for name, message in (("file/a", "a file in place of"), ("file/b/a", "a file in place of")):
        with pytest.raises(UserError, match=message):
            check_writable(tmp_path / name)
        with pytest.raises(UserError, match=message):
            atomic_write_text(tmp_path / name, "x")
    with pytest.raises(UserError, match="it is a folder"):
        check_writable(tmp_path)
    check_writable(tmp_path / "new" / "a.json")
    assert os.listdir(tmp_path / "new") == []


def _die_while_writing(path):
    with atomic_write(path) as file:
        file.write(b"half")
        os._exit(9)


def test_files_of_killed_writers_go_and_those_of_living_ones_stay(tmp_path):
    process = multiprocessing.get_context("fork").Process(
        target=_die_while_writing, args=(tmp_path / "epoch_1.pth",)
    )
    process.start()
    process.join()
    (dead,) = os.listdir(tmp_path)
    with atomic_write(tmp_path / "epoch_2.pth") as file:
        file.write(b"whole")
        assert remove_leftovers(tmp_path) == [dead]
    assert os.listdir(tmp_path) == ["epoch_2.pth"]
    assert remove_leftovers(tmp_path / "nowhere") == []
