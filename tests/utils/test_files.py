import errno
import fcntl
import json
import multiprocessing
import os
import stat
import subprocess
import sys

import pytest

from mmselfsup.utils import files
from mmselfsup.utils.errors import UserError
from mmselfsup.utils.files import (
    atomic_write,
    atomic_write_json,
    atomic_write_text,
    check_writable,
    file_lock,
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


#: Of every kind of file that the package writes with ``atomic_write``.
WRITTEN = (
    "list.npy", ".step.json", "table.csv", "table.tex", "table.md", "report.html", "a.jpg",
    "B.JPEG", "c.tif", "d.bmp", ".unfinished",
)  # fmt: skip


@pytest.mark.parametrize("name", WRITTEN)
def test_the_rest_of_any_file_goes(tmp_path, name):
    process = multiprocessing.get_context("fork").Process(
        target=_die_while_writing, args=(tmp_path / name,)
    )
    process.start()
    process.join()
    (tmp_path / ".own.thing").touch()
    assert len(os.listdir(tmp_path)) == 2
    assert len(remove_leftovers(tmp_path)) == 1
    assert os.listdir(tmp_path) == [".own.thing"]


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


@pytest.mark.parametrize("name", ["a" * 255, "ä" * 127, "x" + "ä" * 127, "😀" * 63 + ".js"])
def test_the_longest_names_can_be_written(tmp_path, name):
    check_writable(tmp_path / name)
    atomic_write_text(tmp_path / name, "text")
    assert os.listdir(tmp_path) == [name]


def test_without_sync_nothing_waits_for_the_disk(tmp_path, monkeypatch):
    calls = []
    monkeypatch.setattr(files.os, "fsync", calls.append)
    with atomic_write(tmp_path / "a", "w", sync=False) as file:
        file.write("x")
    assert ((tmp_path / "a").read_text(), calls) == ("x", [])
    atomic_write_text(tmp_path / "a", "y")
    assert len(calls) == 1


WAITS = """
import sys
from mmselfsup.utils.files import file_lock
with file_lock(sys.argv[1], lambda: print("waits", flush=True)):
    print("has it", flush=True)
"""


def in_another_process(path, env):
    return subprocess.Popen(
        [sys.executable, "-c", WAITS, str(path)], stdout=subprocess.PIPE, text=True, env=env
    )


def without_locks(monkeypatch, folder, number):
    """Let files in `folder` have no locks, as on some network disks."""
    flock = fcntl.flock

    def fail(file, how):
        if os.path.dirname(file.name if isinstance(file.name, str) else "/tmp/x") == str(folder):
            raise OSError(number, os.strerror(number))
        flock(file, how)

    monkeypatch.setattr(files.fcntl, "flock", fail)


def test_a_lock_is_waited_for(tmp_path):
    with file_lock(tmp_path / "lock"):
        other = in_another_process(tmp_path / "lock", os.environ)
        assert other.stdout.readline() == "waits\n"
    assert other.stdout.read() == "has it\n"
    assert other.wait() == 0


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP])
def test_a_disk_without_locks(tmp_path, monkeypatch, number):
    shared, local = tmp_path / "shared", tmp_path / "local"
    shared.mkdir(), local.mkdir()
    monkeypatch.setattr(files.tempfile, "tempdir", str(local))
    without_locks(monkeypatch, shared, number)
    with file_lock(shared / "lock"):
        (place,) = local.iterdir()
        with open(place, "a") as second, pytest.raises(BlockingIOError):
            fcntl.flock(second, fcntl.LOCK_EX | fcntl.LOCK_NB)
    with file_lock(shared / "lock"):  # and it is free again
        pass


def test_no_locks_at_all_is_one_line(tmp_path, monkeypatch):
    def fail(file, how):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(files.tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(files.fcntl, "flock", fail)
    with (
        pytest.raises(UserError, match=r"has no locks, and .* set TMPDIR"),
        file_lock(tmp_path / "lock"),
    ):
        pass
