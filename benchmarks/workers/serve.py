"""The worker's side: report that it is ready, then work once for each line read."""

import itertools
import json
import sys
import time
from collections.abc import Callable
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
        wall, cpu = time.perf_counter(), time.process_time()
        more = work() or {}
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        send({"wall": wall, "cpu": cpu, **more})
    if after is not None:
        next_go()
        send({"wall": 0, "cpu": 0, "score": after()})
