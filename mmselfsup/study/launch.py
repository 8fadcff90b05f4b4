"""Run command lines: one after the other, or several at a time, each with its log.

Without a GPU the tools run in forks of this process, which has torch loaded: starting Python and
torch anew takes seconds of two cores for each of the study's many short trainings. What runs is
the same: `tools/train.py` with the same arguments.
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
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from multiprocessing.process import BaseProcess
from pathlib import Path

_POLL_S = 0.2
_PR_SET_PDEATHSIG = 1  # of Linux: a signal for the process whose parent has died


@dataclass(frozen=True)
class Command:
    """A command line.

    Attributes:
        argv: A script (`.py` or `.sh`) and its arguments, relative to the repository.
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


def warm_up() -> bool:
    """Load what every training needs, so that forks start at once; no if there is a GPU.

    A fork can't use CUDA once its parent has looked at it.
    """
    import torch

    if torch.cuda.is_available():
        return False
    import mmselfsup.apis
    import mmselfsup.datasets
    import mmselfsup.models  # noqa: F401

    return True


def start(command: Command, warm: bool, threads: int) -> BaseProcess | subprocess.Popen[bytes]:
    """Start a command in a fork of this process (warm) or in a fresh one."""
    env = {"OMP_NUM_THREADS": str(threads), **dict(command.env)}
    if warm and command.argv[0].endswith(".py"):
        sys.stdout.flush()
        sys.stderr.flush()
        process = multiprocessing.get_context("fork").Process(
            target=_run_in_fork, args=(command, env, threads)
        )
        process.start()
        return process
    interpreter = ["bash"] if command.argv[0].endswith(".sh") else [sys.executable]
    path = os.pathsep.join(filter(None, (str(command.root), os.environ.get("PYTHONPATH"))))
    with open(command.log or os.devnull, "ab") as log:
        output = log if command.log else None
        return subprocess.Popen(
            [*interpreter, *command.argv],
            cwd=command.root,
            env={**os.environ, "PYTHONPATH": path, **env},
            stdout=output,
            stderr=subprocess.STDOUT if output else None,
        )


def run_all(
    commands: Sequence[Command],
    jobs: int,
    warm: bool,
    threads: int,
    on_end: Callable[[int, int | None, float], None],
    on_poll: Callable[[], None] = lambda: None,
) -> None:
    """Run commands, `jobs` at a time; stop all of them when this process is interrupted.

    Args:
        commands: What to run, in this order.
        jobs: How many at a time.
        warm: Run Python scripts in forks of this process.
        threads: Threads of each command.
        on_end: Called with the command's number, its exit code (None: stopped from here) and
            its seconds.
        on_poll: Called a few times a second meanwhile.
    """
    running: dict[int, tuple[BaseProcess | subprocess.Popen[bytes], float]] = {}
    waiting = list(enumerate(commands))
    try:
        while waiting or running:
            while waiting and len(running) < jobs:
                number, command = waiting.pop(0)
                running[number] = (start(command, warm, threads), time.monotonic())
            time.sleep(_POLL_S)
            on_poll()
            for number, (process, began) in list(running.items()):
                code = _exit_code(process)
                if code is not None:
                    del running[number]
                    on_end(number, code, time.monotonic() - began)
    finally:
        for process, _ in running.values():
            process.terminate()
        for number, (process, began) in running.items():
            process.join() if isinstance(process, BaseProcess) else process.wait()
            on_end(number, None, time.monotonic() - began)


def _exit_code(process: BaseProcess | subprocess.Popen[bytes]) -> int | None:
    return process.exitcode if isinstance(process, BaseProcess) else process.poll()


def _run_in_fork(command: Command, env: dict[str, str], threads: int) -> None:
    """Be the command: take over its output, folder, environment and arguments."""
    import torch

    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)  # no orphan writes on into a folder
    if command.log:
        handle = os.open(command.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
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
