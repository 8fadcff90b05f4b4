"""Why a command of the study failed, by its exit code and from what it printed."""

from __future__ import annotations

import re
import signal
from pathlib import Path

# ``ValueError: ...``, ``cv2.error: ...``, ``error: ...``, ``2024-01-01 - name - ERROR - ...``, but
# no key of a printed config such as ``on_error='raise'``.
_ERROR = re.compile(r"""(?<![\w'"])([\w.]*Error(?=:|$)|[Ee]rror(?=:)|ERROR\b|Bus error)""")
# A loader's worker, or a process of torchrun, that was killed: its parent ends with another code.
_KILLED = re.compile(
    r"killed by signal: Killed|DataLoader worker .*exited unexpectedly"
    r"|Signal 9 \(SIGKILL\)|exitcode\s*:\s*-9\b"
)
_MEMORY = (
    "most likely because memory ran out: run it again with JOBS=1, which continues, or with a "
    "smaller data.samples_per_gpu or data.workers_per_gpu"
)


def text_since(log: Path | None, start: int) -> str:
    """Return what was added to a log after its first ``start`` bytes; empty without a log.

    A resumed training appends to the log of the one before, whose errors explain nothing now.
    """
    if log is None or not log.is_file():
        return ""
    with open(log, "rb") as file:
        file.seek(start)
        return file.read().decode(errors="replace")


def failure_reason(code: int, text: str, log: Path | None) -> str:
    """Return why a command failed, and what to do where that is known.

    Args:
        code: Its exit code.
        text: What it printed.
        log: Where that is; None: on the terminal.
    """
    number = _signal_of(code)
    killed = ""
    if number is not None:
        killed = f"killed by {number.name} (exit code {code})"
        killed += f", {_MEMORY}" if number == signal.SIGKILL else ""
    elif _KILLED.search(text):
        killed = f"a process of it was killed, {_MEMORY}"
    if log is None:
        return f"{killed or f'exit code {code}'}, see the lines above"
    last = _last_line(text)
    if not killed:
        return f"{last or f'it printed nothing, exit code {code}'} (all of it: {log})"
    return f"{killed}; {f'it printed last: {last}' if last else 'it printed nothing'} ({log})"


def _signal_of(code: int) -> signal.Signals | None:
    """Return the signal that ended a process, as its parent or a shell between them reports it."""
    number = -code if code < 0 else code - 128
    try:
        return signal.Signals(number)
    except ValueError:
        return None


def _last_line(text: str) -> str:
    """Return the last line with an error, otherwise the last line; empty: none."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    errors = [line for line in lines if _ERROR.search(line)]
    return (errors or lines or [""])[-1].removeprefix("error: ")
