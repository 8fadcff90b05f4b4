"""One run for each folder: who has it, who had it, and who can't tell."""

import errno
import fcntl
import json
import os
import re
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from mmselfsup.utils.errors import UserError
from mmselfsup.utils.processes import is_running, seconds_since_start, start_ticks
from mmselfsup.utils.work_dir_lock import Owner, only_one

NAME = ".train.lock"
THIS = Owner.this_process()


def ended_process() -> int:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def take(folder: Path, said: list[str] | None = None) -> Any:
    said = [] if said is None else said
    return only_one(folder, NAME, "training", "--work_dir", said.append)


def leave(folder: Path, **facts: Any) -> None:
    """Write the record of a process that did not end by itself."""
    (folder / NAME).write_text(json.dumps(asdict(replace(THIS, **facts))))


def without_locks(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "lockf", refuse)


def test_the_record_is_there_while_it_counts(tmp_path: Path) -> None:
    with take(tmp_path):
        record = json.loads((tmp_path / NAME).read_text())
        assert (record["pid"], record["start"]) == (os.getpid(), start_ticks(os.getpid()))
    assert (tmp_path / NAME).read_text() == ""
    with pytest.raises(RuntimeError), take(tmp_path):
        raise RuntimeError
    assert (tmp_path / NAME).read_text() == ""


@pytest.mark.parametrize("locks", [True, False])
@pytest.mark.parametrize("reused", [True, False])
def test_a_dead_one_is_taken_over_and_that_is_said(
    locks: bool, reused: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Another process has its number now, or none has.
    facts = dict(pid=os.getppid(), start=1) if reused else dict(pid=ended_process())
    leave(tmp_path, **facts)
    if not locks:
        without_locks(monkeypatch)
    said: list[str] = []
    with take(tmp_path, said):
        pass
    assert f"is taken over: the training before (process {facts['pid']}, since" in said[-1]
    assert len(said) == (1 if locks else 2)


def test_a_living_one_is_refused_without_locks_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    leave(tmp_path, pid=os.getppid(), start=start_ticks(os.getppid()))
    without_locks(monkeypatch)
    message = r"another training .* choose another --work_dir"
    with pytest.raises(UserError, match=message), take(tmp_path):
        pass


def test_a_copy_of_a_living_ones_folder_says_what_to_do(tmp_path: Path) -> None:
    leave(tmp_path, pid=os.getppid(), start=start_ticks(os.getppid()))
    wanted = re.escape(f"if {tmp_path} is a copy of its folder, remove {tmp_path / NAME}")
    with pytest.raises(UserError, match=wanted), take(tmp_path):
        pass


def test_a_record_with_values_of_other_types_locks_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    record = {**asdict(THIS), "host": "other", "job": "7", "restarts": "none"}
    (tmp_path / NAME).write_text(json.dumps(record))
    with take(tmp_path):
        pass


def test_another_machine_can_not_be_asked(tmp_path: Path) -> None:
    leave(tmp_path, host="node7", boot="other")
    lock = tmp_path / NAME
    message = rf"on node7, since .*wait until it ends; if it was killed, remove {lock}"
    with pytest.raises(UserError, match=message), take(tmp_path):
        pass
    assert json.loads(lock.read_text())["host"] == "node7"
    lock.unlink()
    with take(tmp_path):
        pass


@pytest.mark.parametrize(("restarts", "taken"), [("1", True), ("0", False), ("", False)])
def test_a_requeued_job_goes_on_on_another_node(
    restarts: str, taken: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    leave(tmp_path, host="node7", boot="other", job="12")
    monkeypatch.setenv("SLURM_JOB_ID", "12")
    monkeypatch.setenv("SLURM_RESTART_COUNT", restarts)
    if taken:
        with take(tmp_path):
            pass
        return
    with pytest.raises(UserError, match="node7"), take(tmp_path):
        pass


def test_another_container_of_this_machine_sees_the_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    leave(tmp_path, host="0123456789ab")
    if not THIS.boot:
        pytest.skip("this system doesn't name its start")
    with take(tmp_path):
        pass
    leave(tmp_path, host="0123456789ab")
    without_locks(monkeypatch)
    with pytest.raises(UserError, match="0123456789ab"), take(tmp_path):
        pass


@pytest.mark.parametrize("text", ["123", "{", "{}", "[]", '{"pid": 1}', "\0" * 40])
def test_what_is_no_record_locks_nothing(text: str, tmp_path: Path) -> None:
    (tmp_path / NAME).write_text(text)
    with take(tmp_path):
        pass


def test_processes() -> None:
    dead = ended_process()
    assert is_running(os.getpid(), start_ticks(os.getpid()))
    assert not is_running(os.getpid(), 1)
    assert not is_running(dead, None)
    seconds = seconds_since_start(os.getpid())
    assert seconds is not None
    assert 0 <= seconds < 24 * 3600
    assert seconds_since_start(dead) is None


def test_the_age_of_a_process_in_a_container_with_a_clock_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "5").mkdir()
    (tmp_path / "5" / "stat").write_text(f"5 (x) S {'0 ' * 18}0")  # started with the machine
    (tmp_path / "uptime").write_text("0.5 0.5")  # of the container
    monkeypatch.setattr("mmselfsup.utils.processes._PROC", tmp_path)
    seconds = seconds_since_start(5)
    assert seconds is not None
    assert seconds > 1
