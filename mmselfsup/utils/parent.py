"""Processes that end when their parent has ended, however it ended."""

import ctypes
import os
import signal
from contextlib import suppress

_PR_SET_PDEATHSIG = 1  # of Linux: a signal for the process whose parent has died
_LIBC = ctypes.CDLL(None)  # loaded here: a fork of a process with threads must not load libraries


def end_with_parent(parent: int, number: signal.Signals = signal.SIGTERM) -> None:
    """Let a signal end this process when its parent dies.

    Call it first thing in a child. On systems other than Linux it does nothing.

    Args:
        parent: Number of the parent, which the parent itself has found out.
        number: The signal.
    """
    with suppress(AttributeError):  # no prctl
        _LIBC.prctl(_PR_SET_PDEATHSIG, number)
        if os.getppid() != parent:  # it died before the call
            os.kill(os.getpid(), number)
