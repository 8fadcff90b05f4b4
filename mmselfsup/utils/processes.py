"""What the operating system says of a process: whether it runs, and since when."""

import os
import time
from pathlib import Path

_PROC = Path("/proc")
_STARTED = 19  # place of the start time among the fields of ``stat`` after the name


def start_ticks(pid: int) -> int | None:
    """Return the start of a process in clock ticks since the machine's; None if it isn't known.

    The number of a process is given to another one some time after its end: only both together
    name a process.
    """
    try:
        text = (_PROC / str(pid) / "stat").read_text(errors="replace")
    except OSError:  # it has ended, or this system has no such files
        return None
    fields = text.rpartition(")")[2].split()  # the name, in brackets, may contain blanks
    # A zombie has ended; only its parent hasn't asked for its exit code yet.
    return None if fields[0] in "ZX" else int(fields[_STARTED])


def is_running(pid: int, start: int | None) -> bool:
    """Return whether the process that had this number and this start (None: any) still runs."""
    if _PROC.joinpath("self", "stat").exists():
        ticks = start_ticks(pid)
        return ticks is not None and start in (None, ticks)
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # of another user
        return True
    return True


def seconds_since_start(pid: int) -> float | None:
    """Return how long a process has been running, in seconds; None if it isn't known."""
    ticks = start_ticks(pid)
    if ticks is None:  # always so on other systems than Linux, which have no such clock
        return None
    # Not /proc/uptime: some containers show the time since their own start there.
    uptime = time.clock_gettime(time.CLOCK_BOOTTIME)
    return max(uptime - ticks / os.sysconf("SC_CLK_TCK"), 0.0)


def boot_id() -> str:
    """Return a name of the machine's present start, the same in all containers; empty: unknown."""
    try:
        return (_PROC / "sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""
