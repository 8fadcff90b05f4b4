"""Commands as forks of this process, and ways to kill them."""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_fork = multiprocessing.get_context("fork")
#: Seconds in which a command must end; and those that processes without a parent have to end.
PATIENCE, ORPHANS_PATIENCE = 600, 30


@dataclass(frozen=True)
class Work:
    """What one process does.

    Attributes:
        function: Called in the process.
        args: Its arguments.
    """

    function: Callable[..., None]
    args: tuple[Any, ...] = field(default=())


class Call:
    """One start of a command, in one process or several.

    Args:
        works: What each process does.
    """

    def __init__(self, works: Sequence[Work]) -> None:
        self.processes = []
        for work in works:
            process = _fork.Process(target=_run, args=(work,))
            process.start()
            self.processes.append(process)

    def is_alive(self) -> bool:
        """Return whether a process of it runs."""
        return any(process.is_alive() for process in self.processes)

    def lives_for(self, seconds: float) -> bool:
        """Wait some seconds, or until all processes have ended; return whether one runs then."""
        end = time.monotonic() + seconds
        while self.is_alive() and (left := end - time.monotonic()) > 0:
            time.sleep(min(left, 0.1))
        return self.is_alive()

    def wait(self, place: Path) -> list[int]:
        """Wait until all processes have ended; return their exit codes.

        Args:
            place: Named where one hangs.
        """
        end = time.monotonic() + PATIENCE
        for process in self.processes:
            process.join(max(0.0, end - time.monotonic()))
            if process.is_alive():
                self.kill()
                raise SystemExit(f"a process hangs, see {place}")
        return [int(process.exitcode or 0) for process in self.processes]

    def stop(self, rng: random.Random, place: Path) -> list[int]:
        """Send a signal to one process, or to all that the command has started; wait for the end.

        Args:
            rng: Draws the signal, and whom it reaches.
            place: See ``wait``.

        Returns:
            The exit codes.
        """
        number = rng.choice((signal.SIGTERM, signal.SIGUSR1, signal.SIGINT))
        to_all = rng.random() < 0.5
        for process in self.processes if to_all else [rng.choice(self.processes)]:
            with suppress(ProcessLookupError):  # it has ended meanwhile
                (os.killpg if to_all else os.kill)(int(process.pid or 0), number)
        return self.wait(place)

    def kill(self) -> None:
        """Kill all processes and everything that they have started."""
        for process in self.processes:
            kill_tree(int(process.pid or 0))
        for process in self.processes:
            process.join()

    def kill_one(self, number: int) -> list[int]:
        """Kill one process alone; return the processes that it had started, and the others."""
        pid = int(self.processes[number].pid or 0)
        left = [child for child in descendants(pid) if child != pid]
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        self.processes[number].join()
        return left + [int(p.pid or 0) for i, p in enumerate(self.processes) if i != number]

    def reap(self) -> None:
        """Wait for processes that have ended, so that they are gone."""
        for process in self.processes:
            process.join(0)


def _run(work: Work) -> None:
    os.setpgid(0, 0)  # so that Ctrl-C reaches the test alone, which then kills this
    work.function(*work.args)


def descendants(pid: int) -> list[int]:
    """Return a process and everything that it has started, as far as that lives."""
    found = [pid]
    for parent in found:  # grows meanwhile
        for children in Path(f"/proc/{parent}/task").glob("*/children"):
            with suppress(OSError):  # the thread has ended
                found += [int(child) for child in children.read_text().split()]
    return found


def kill_tree(pid: int) -> None:
    """Kill a process and everything that it has started.

    They are stopped first: a process that is running could start another one meanwhile.
    """
    stopped: set[int] = set()
    while new := set(descendants(pid)) - stopped:
        for one in new:
            with suppress(ProcessLookupError):
                os.kill(one, signal.SIGSTOP)
        stopped |= new
    for one in stopped:
        with suppress(ProcessLookupError):
            os.kill(one, signal.SIGKILL)


def wait_for_end(pids: Sequence[int]) -> list[int]:
    """Wait until processes that have lost their parent have ended; return those that have not."""
    end = time.monotonic() + ORPHANS_PATIENCE
    alive = list(pids)
    while alive and time.monotonic() < end:
        time.sleep(0.02)
        alive = [pid for pid in alive if _runs(pid)]
    for pid in alive:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return alive


def _runs(pid: int) -> bool:
    """Return whether a process lives; one that only waits for its parent to notice does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
