"""What is left when the parent alone is killed: no process, and a lock until the last one ends."""

import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import pytest

from mmselfsup.isic.demo.dataset import DemoSettings, make_demo_data
from mmselfsup.study.process import Command, only_commands, run_all
from mmselfsup.utils.parent import end_with_parent
from mmselfsup.utils.progress import run_parallel

_fork = multiprocessing.get_context("fork")


def wait_until(condition: Callable[[], object], seconds: float = 30.0) -> bool:
    """Return whether a condition became true in time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.01)
    return False


def runs(pid: int) -> bool:
    """Return whether a process is there and no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def note(folder: Path, seconds: float) -> None:
    """Note the process, and take a while."""
    (folder / f"pid{os.getpid()}").touch()
    time.sleep(seconds)


def pids(folder: Path) -> list[int]:
    return [int(path.name[3:]) for path in folder.glob("pid*")]


def map_in_parallel(folder: Path) -> None:
    list(run_parallel(partial(note, folder), [0.01] * 400, workers=2, desc="test"))


def draw(folder: Path) -> None:
    make_demo_data(folder / "demo", DemoSettings(num_images=4000, size=64), workers=2)


def children(pid: int) -> list[int]:
    """Return the processes that a process has started and that run."""
    texts = [path.read_text() for path in Path(f"/proc/{pid}/task").glob("*/children")]
    return [int(child) for text in texts for child in text.split()]


@pytest.mark.parametrize("work", [map_in_parallel, draw])
def test_the_workers_of_a_pool_end_when_their_parent_is_killed(
    work: Callable[[Path], None], tmp_path: Path
) -> None:
    parent = _fork.Process(target=work, args=(tmp_path,))
    parent.start()
    pid = int(parent.pid or 0)
    begun = tmp_path / "demo" / "ISIC_2019_Training_Input"
    assert wait_until(lambda: pids(tmp_path) or (begun.is_dir() and any(begun.iterdir())))
    workers = children(pid)
    assert workers
    os.kill(pid, signal.SIGKILL)
    parent.join()
    assert wait_until(lambda: not any(map(runs, workers)))


def test_a_child_whose_parent_is_gone_ends_at_once() -> None:
    child = _fork.Process(target=end_with_parent, args=(os.getpid() + 1,))
    child.start()
    child.join()
    assert child.exitcode == -signal.SIGTERM


SLOW_TO_END = """
import os, signal, sys, time
def end(*_):
    time.sleep(1.0)
    open("ended", "w").close()
    os._exit(0)
signal.signal(signal.SIGTERM, end)
open("begun", "w").close()
time.sleep(60)
"""


def study(root: Path, warm: bool) -> None:
    with only_commands(root):
        run_all([Command(("job.py",), root, root / "log")], 1, warm, 1, lambda *_: None)


@pytest.mark.parametrize("warm", [True, False])
def test_a_study_waits_for_the_commands_of_one_that_was_killed(
    warm: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "job.py").write_text(SLOW_TO_END)
    process = _fork.Process(target=study, args=(tmp_path, warm))
    process.start()
    assert wait_until((tmp_path / "begun").exists)
    os.kill(int(process.pid or 0), signal.SIGKILL)
    process.join()
    with only_commands(tmp_path):
        assert (tmp_path / "ended").exists()
    assert "a command of a killed study is still ending" in capsys.readouterr().out
    printed: Sequence[str] = []
    with only_commands(tmp_path):  # nothing to wait for
        assert capsys.readouterr().out.splitlines() == printed
