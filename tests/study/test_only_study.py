"""Two studies in one work directory: the second is refused, a dead one's lock is taken over."""

import errno
import fcntl
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from mmselfsup.study.process import LOCK, only_study
from mmselfsup.utils.errors import UserError

HOLD = """
import sys, pathlib
from mmselfsup.study.process import only_study
with only_study(pathlib.Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def hold(folder: Path) -> "subprocess.Popen[str]":
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def test_second_study_is_refused_until_the_first_is_dead(tmp_path: Path) -> None:
    work_dir = tmp_path / "new" / "work"
    process = hold(work_dir)
    message = rf"another study \(process {process.pid}, since .*\) is running in .*WORK_DIR"
    with pytest.raises(UserError, match=message) as error, only_study(work_dir):
        pass
    assert "\n" not in str(error.value)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    with only_study(work_dir):
        assert json.loads((work_dir / LOCK).read_text())["pid"] == os.getpid()


def test_lock_is_let_go_after_an_error(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), only_study(tmp_path):
        raise RuntimeError
    process = hold(tmp_path)
    process.communicate()
    assert process.returncode == 0


def test_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with (
        pytest.raises(UserError, match=r"can't write .*file/work"),
        only_study(tmp_path / "file/work"),
    ):
        pass


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP])
def test_file_system_without_locks(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    number: int,
) -> None:
    def refuse(*_: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "lockf", refuse)
    with only_study(tmp_path):
        pass
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"warning: the file system of {tmp_path} has no locks")


def test_lock_that_fails_otherwise(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(fcntl, "lockf", refuse)
    with pytest.raises(UserError, match=r"can't lock .*study\.lock"), only_study(tmp_path):
        pass


def test_full_disk_does_not_matter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "pwrite", refuse)
    with only_study(tmp_path):
        pass
