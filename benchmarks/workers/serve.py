"""The worker's side: say that it is ready, then work once for each line that is read."""

import itertools
import json
import sys
import time
from collections.abc import Callable
from typing import Any

MARK = "##"
_out = sys.stdout
sys.stdout = sys.stderr  # whatever a library prints must not be taken for an answer


def settings() -> Any:
    """What the driver wants."""
    return json.loads(sys.argv[1])


def tell(answer: dict[str, Any]) -> None:
    """Send a line to the driver."""
    print(MARK + json.dumps(answer), file=_out, flush=True)


def next_go() -> None:
    """Wait until the driver wants something."""
    if not sys.stdin.readline():
        raise SystemExit


def serve(
    work: Callable[[], dict[str, float] | None],
    info: dict[str, Any],
    after: Callable[[], float] | None = None,
    times: int | None = None,
) -> None:
    """Answer each `go` with the seconds that `work` took, and what it returned.

    Args:
        work: what is measured.
        info: sent when all is ready.
        after: gives a score, asked for by one more `go` behind `times` of them.
        times: how often to work; None for as often as it is wanted.
    """
    tell(info)
    for _ in itertools.count() if times is None else range(times):
        next_go()
        wall, cpu = time.perf_counter(), time.process_time()
        more = work() or {}
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        tell({"wall": wall, "cpu": cpu, **more})
    if after is not None:
        next_go()
        tell({"wall": 0, "cpu": 0, "score": after()})
