"""What a process does with signals: at once, noted, ignored; in forks and loader workers."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from mmselfsup.utils import signals
from mmselfsup.utils.errors import STOPPED, Stopped
from mmselfsup.utils.signals import deferred, requested, stop_signals

NUMBERS = [signal.SIGTERM, signal.SIGUSR1, signal.SIGINT]


@pytest.fixture(autouse=True)
def own_handlers() -> object:
    old = {number: signal.getsignal(number) for number in NUMBERS}
    yield
    for number, handler in old.items():
        signal.signal(number, handler)
    signals._reset(0)


def send(*numbers: signal.Signals) -> None:
    """Send signals to this process, whose handlers run before this returns."""
    for number in numbers:
        os.kill(os.getpid(), number)


def in_a_fork(work: Callable[[], None]) -> int:
    """Return how a fork that does this has ended, as ``waitpid`` says it."""
    pid = os.fork()
    if pid == 0:
        work()
        os._exit(0)
    return os.waitpid(pid, 0)[1]


@pytest.mark.parametrize("number", NUMBERS)
def test_the_first_signal_ends_the_set_up(number: signal.Signals) -> None:
    with pytest.raises(Stopped) as stop, stop_signals(" before the first iteration"):
        send(number)
    name = "Ctrl-C" if number == signal.SIGINT else number.name
    assert stop.value.message == f"stopped by {name} before the first iteration"
    assert stop.value.code == STOPPED
    send(signal.SIGTERM)  # a launcher repeats its own: nothing happens
    with pytest.raises(KeyboardInterrupt):
        send(signal.SIGINT, signal.SIGINT)


@pytest.mark.parametrize("number", NUMBERS)
def test_later_it_is_noted(number: signal.Signals, capfd: pytest.CaptureFixture[str]) -> None:
    with stop_signals(""), deferred():
        assert requested() is None
        send(number, signal.SIGTERM)
        assert requested() == ("Ctrl-C" if number == signal.SIGINT else number.name)
    assert ("press it again" in capfd.readouterr().err) == (number == signal.SIGINT)


def test_a_second_ctrl_c_stops_at_once() -> None:
    with pytest.raises(KeyboardInterrupt), stop_signals(""), deferred():
        send(signal.SIGINT, signal.SIGINT)


def test_afterwards_the_handlers_are_those_of_before() -> None:
    old = [signal.getsignal(number) for number in NUMBERS]
    with stop_signals(""):
        assert signals.are_handled()
    assert [signal.getsignal(number) for number in NUMBERS] == old
    with pytest.raises(ValueError, match="x"), stop_signals(""):
        raise ValueError("x")
    assert [signal.getsignal(number) for number in NUMBERS] == old
    assert not signals.are_handled()


def test_a_fork_dies_as_others_do() -> None:
    with stop_signals(""):
        status = in_a_fork(lambda: os.kill(os.getpid(), signal.SIGTERM))
    assert os.WTERMSIG(status) == signal.SIGTERM


WORKER = """
import os, signal, sys, time
from mmselfsup.utils.signals import shield_worker
pid = os.fork()
if pid == 0:
    shield_worker()
    open(sys.argv[1], "w").write(str(os.getpid()))
    time.sleep(30)
    os._exit(1)
while not os.path.exists(sys.argv[2]):
    time.sleep(0.01)
assert os.waitpid(pid, os.WNOHANG) == (0, 0), "it died of a signal for all"
os.kill(pid, signal.SIGTERM)
assert os.waitpid(pid, 0) == (pid, 0)
"""


def test_a_worker_ends_by_its_parent_only(tmp_path: Path) -> None:
    number, done = tmp_path / "pid", tmp_path / "done"
    process = subprocess.Popen([sys.executable, "-c", WORKER, str(number), str(done)])
    while not (number.exists() and number.read_text()):
        time.sleep(0.01)
    for each in NUMBERS:
        os.kill(int(number.read_text()), each)
    time.sleep(0.2)
    done.touch()
    assert process.wait(20) == 0
