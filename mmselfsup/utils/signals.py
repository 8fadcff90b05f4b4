"""Signals that ask a training to stop: noted when they come, obeyed where nothing is lost.

Slurm sends SIGTERM (preemption) or the signal of ``--signal`` (here SIGUSR1) some time before it
kills a job, a terminal sends SIGINT (Ctrl-C). Inside ``stop_signals`` the first of them ends a
command in order, with exit code 75; within ``deferred`` it is only noted, and the training looks at
``requested`` after its steps. A second Ctrl-C ends the command at once.
"""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from .errors import Stopped

_SIGNALS = (signal.SIGTERM, signal.SIGUSR1, signal.SIGINT)
_FIRST_CTRL_C = (
    b"\nCtrl-C: the training writes a checkpoint after this iteration; press it again to stop at "
    b"once\n"
)


@dataclass
class _State:
    """What this process has received; a fork of it has another ``pid``."""

    pid: int = 0
    deferred: bool = False
    request: str | None = None
    ctrl_c: int = 0
    advice: str = ""


_state = _State()


@contextmanager
def stop_signals(advice: str) -> Iterator[None]:
    """Handle SIGTERM, SIGUSR1 and SIGINT inside the block.

    The first signal raises ``Stopped`` unless ``deferred`` is active, the second SIGINT
    ``KeyboardInterrupt``; others are ignored. After ``Stopped`` the handlers stay: the process is
    ending, and launchers repeat their signals. Nothing happens in a thread, where Python handles no
    signals.

    Args:
        advice: What the line for the user says after ``stopped by SIGTERM``.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    _reset(os.getpid(), advice)
    old = {number: signal.signal(number, _handle) for number in _SIGNALS}
    try:
        yield
    except Stopped:
        _state.deferred = True
        raise
    except BaseException:
        _restore(old)
        raise
    _restore(old)


def _reset(pid: int, advice: str = "") -> None:
    _state.pid, _state.advice = pid, advice
    _state.deferred, _state.request, _state.ctrl_c = False, None, 0


def _restore(old: dict[signal.Signals, Any]) -> None:
    """Give the signals back to those who had them."""
    _reset(0)
    for number, handler in old.items():
        signal.signal(number, signal.SIG_DFL if handler is None else handler)


@contextmanager
def deferred() -> Iterator[None]:
    """Let signals inside the block be noted only; the block looks at ``requested``."""
    _state.deferred = True
    try:
        yield
    finally:
        _state.deferred = False


def requested() -> str | None:
    """Return the name of the signal that asks this process to stop, None if there was none."""
    return _state.request


def are_handled() -> bool:
    """Return whether this process is inside ``stop_signals``."""
    return _state.pid == os.getpid()


def _handle(number: int, _: Any) -> None:
    """Note a signal, or end the process."""
    if _state.pid != os.getpid():  # a fork, whose parent has the work to save
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)
        return
    first = _state.request is None
    if first:
        _state.request = "Ctrl-C" if number == signal.SIGINT else signal.Signals(number).name
    if number == signal.SIGINT:
        _state.ctrl_c += 1
        if _state.ctrl_c > 1:
            raise KeyboardInterrupt
        if _state.deferred:
            os.write(2, _FIRST_CTRL_C)  # print is not safe in a handler
    if first and not _state.deferred:  # repeated ones must not interrupt the end
        raise Stopped(f"stopped by {_state.request}{_state.advice}")


def shield_worker() -> None:
    """Let a loader's worker outlive the signals that ask its training to stop.

    Slurm and torchrun send them to all processes. A worker must go on, because the iteration (or
    the evaluation) that is being finished needs its batches. SIGTERM from its own parent, which
    shuts the loader down, ends it; and it ends by itself soon after its parent has ended.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    if hasattr(signal, "sigwaitinfo"):
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """Wait for the SIGTERM of the parent, also while the worker's main thread is stuck."""
    while signal.sigwaitinfo({signal.SIGTERM}).si_pid != os.getppid():
        pass
    os._exit(0)  # as torch's own handler in workers
