"""Runs of command lines, several at a time, which all end when this process is stopped."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterable, Sequence

from .process import Command, Process, exit_code, send, start

_POLL_S = 0.2
_PATIENCE_S = 20.0  # for a launcher that ends its own processes one by one


def warm_up() -> bool:
    """Load what every training needs, so that forks start at once.

    Returns:
        Whether it was done. Not with a GPU: a fork can't use CUDA once its parent has used it.
    """
    import torch

    if torch.cuda.is_available():
        return False
    import mmselfsup.apis
    import mmselfsup.datasets
    import mmselfsup.models  # noqa: F401

    return True


def run_all(
    commands: Sequence[Command],
    jobs: int,
    warm: bool,
    threads: int,
    on_end: Callable[[int, int | None, float], None],
    on_poll: Callable[[], None] = lambda: None,
) -> None:
    """Run commands, ``jobs`` at a time; stop all of them when this process is interrupted.

    Args:
        commands: What to run, in this order.
        jobs: How many at a time.
        warm: Run Python scripts in forks of this process.
        threads: Threads of each command.
        on_end: Called with the command's number, its exit code (None: stopped from here) and
            its seconds.
        on_poll: Called a few times a second while commands run.
    """
    running: dict[int, tuple[Process, float]] = {}
    waiting = list(enumerate(commands))
    try:
        while waiting or running:
            while waiting and len(running) < jobs:
                number, command = waiting.pop(0)
                running[number] = (start(command, warm, threads), time.monotonic())
            time.sleep(_POLL_S)
            on_poll()
            for number, (process, began) in list(running.items()):  # a copy: ended ones are deleted
                code = exit_code(process)
                if code is not None:
                    del running[number]
                    on_end(number, code, time.monotonic() - began)
    finally:  # on errors and signals, too: no training outlives the study
        _stop(process for process, _ in running.values())
        for number, (_, began) in running.items():
            on_end(number, None, time.monotonic() - began)


def _stop(processes: Iterable[Process]) -> None:
    """Ask processes and their children to end, and kill those that have not ended in time."""
    running = list(processes)
    for process in running:
        send(process, signal.SIGTERM)
    until = time.monotonic() + _PATIENCE_S
    while any(exit_code(process) is None for process in running) and time.monotonic() < until:
        time.sleep(_POLL_S / 4)
    for process in running:
        send(process, signal.SIGKILL)  # the whole group: its leader may have left workers behind
