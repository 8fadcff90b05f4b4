"""Command lines as process groups of their own, which can be ended as a whole.

Without a GPU the tools run in forks of this process, which has torch loaded: starting Python and
torch again takes seconds of two cores for each of the study's many short trainings. What runs is
the same: ``tools/train.py`` with the same arguments.
"""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import runpy
import shlex
import signal
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.process import BaseProcess
from pathlib import Path

Process = BaseProcess | subprocess.Popen[bytes]

_PR_SET_PDEATHSIG = 1  # of Linux: a signal for the process whose parent has died
_LIBC = ctypes.CDLL(None)  # loaded here: a fork of a process with threads must not load libraries


@dataclass(frozen=True)
class Command:
    """A command line.

    Attributes:
        argv: A script (``.py`` or ``.sh``) and its arguments, relative to the repository.
        root: The repository: where the command runs.
        log: File for what the command prints; None: the terminal.
        env: Additions to the environment.
    """

    argv: tuple[str, ...]
    root: Path
    log: Path | None = None
    env: tuple[tuple[str, str], ...] = field(default=())

    def __str__(self) -> str:
        interpreter = "bash" if self.argv[0].endswith(".sh") else "python"
        return shlex.join((interpreter, *self.argv))


def start(command: Command, warm: bool, threads: int) -> Process:
    """Start a command in a fork of this process (warm) or in a fresh one."""
    env = {"OMP_NUM_THREADS": str(threads), "PYTHON": sys.executable, **dict(command.env)}
    if warm and command.argv[0].endswith(".py"):
        # Otherwise the fork would write buffered text a second time.
        sys.stdout.flush()
        sys.stderr.flush()
        process = multiprocessing.get_context("fork").Process(
            target=_run_in_fork, args=(command, env, threads)
        )
        process.start()
        return process
    interpreter = ["bash"] if command.argv[0].endswith(".sh") else [sys.executable]
    # The repository first, so that a clone needs no install.
    path = os.pathsep.join(filter(None, (str(command.root), os.environ.get("PYTHONPATH"))))
    with open(command.log or os.devnull, "ab") as log:
        output = log if command.log else None
        return subprocess.Popen(
            [*interpreter, *command.argv],
            cwd=command.root,
            env={**os.environ, "PYTHONPATH": path, **env},
            stdout=output,
            stderr=subprocess.STDOUT if output else None,
            preexec_fn=_become_group,
        )


def exit_code(process: Process) -> int | None:
    """Return the exit code of a process; None while it runs."""
    return process.exitcode if isinstance(process, BaseProcess) else process.poll()


def send(process: Process, number: signal.Signals) -> None:
    """Send a signal to a process and to its children."""
    pid = process.pid or 0
    with suppress(ProcessLookupError, PermissionError):
        os.setpgid(pid, pid)  # the child does it, too: the first one succeeds
    with suppress(ProcessLookupError, PermissionError):  # it may have ended meanwhile
        os.killpg(pid, number)


def _become_group() -> None:
    """Start a process group and end with the parent, so that no orphan writes into a folder."""
    with suppress(PermissionError):
        os.setpgid(0, 0)
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def _run_in_fork(command: Command, env: dict[str, str], threads: int) -> None:
    """Run the command in this fork, with its output, folder, environment and arguments."""
    import torch

    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # the parent's handler would clean up
    _become_group()
    if command.log:
        handle = os.open(command.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        # On the level of the system, so that output of libraries and children goes to the log.
        os.dup2(handle, 1)
        os.dup2(handle, 2)
        sys.stdout = open(1, "w", buffering=1, closefd=False)  # noqa: SIM115
        sys.stderr = open(2, "w", buffering=1, closefd=False)  # noqa: SIM115
    os.chdir(command.root)
    os.environ.update(env)
    torch.set_num_threads(threads)
    sys.argv = list(command.argv)
    sys.path.insert(0, str(Path(command.argv[0]).parent))
    runpy.run_path(command.argv[0], run_name="__main__")
