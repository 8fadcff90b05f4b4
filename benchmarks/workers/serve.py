"""The worker's side: report that it is ready, then work once for each line read."""

import itertools
import json
import multiprocessing
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

MARK = "##"
_out = sys.stdout
sys.stdout = sys.stderr  # what a library prints must not be read as an answer


def settings() -> Any:
    """Return the settings that the driver passes."""
    return json.loads(sys.argv[1])


def send(answer: dict[str, Any]) -> None:
    """Send a line to the driver."""
    print(MARK + json.dumps(answer), file=_out, flush=True)


def cpu_seconds() -> float:
    """Return the CPU time of this process and of its children, such as the workers of a loader."""
    times = os.times()  # its children are those that have ended
    ticks = 0
    for child in multiprocessing.active_children():
        try:
            text = Path(f"/proc/{child.pid}/stat").read_text()
        except OSError:  # it ends just now, or this is not Linux
            continue
        # The name of the program, in brackets, may hold blanks.
        user, system = text.rpartition(")")[2].split()[11:13]
        ticks += int(user) + int(system)
    children = times.children_user + times.children_system
    return time.process_time() + children + ticks / os.sysconf("SC_CLK_TCK")


def next_go() -> None:
    """Wait for the next ``go`` of the driver; end without one."""
    if not sys.stdin.readline():
        raise SystemExit


def serve(
    work: Callable[[], dict[str, float] | None],
    info: dict[str, Any],
    after: Callable[[], float] | None = None,
    times: int | None = None,
) -> None:
    """Answer each ``go`` with the seconds that ``work`` took, and what it returned.

    Args:
        work: Function that is measured.
        info: Facts that are sent when all is ready.
        after: Function that returns a score, for one more ``go`` after ``times`` of them.
        times: Number of calls; None for as many as the driver wants.
    """
    send(info)
    for _ in itertools.count() if times is None else range(times):
        next_go()
        wall, cpu = time.perf_counter(), cpu_seconds()
        more = work() or {}
        wall, cpu = time.perf_counter() - wall, cpu_seconds() - cpu
        send({"wall": wall, "cpu": cpu, **more})
    if after is not None:
        next_go()
        send({"wall": 0, "cpu": 0, "score": after()})
