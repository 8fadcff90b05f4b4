"""Command lines as processes: started, several at a time, and ended as a whole.

Without a GPU the tools run in forks of this process, which has torch loaded: starting Python
and torch again takes seconds of two cores for each of the study's many short trainings. What
runs is the same: ``tools/train.py`` with the same arguments. Each command is a process group of its
own, so that nothing it started outlives it. Here is also what depends on the machine: how many
commands run at a time, the versions that results.json names, and the lock that keeps a work
directory to one study.
"""

from __future__ import annotations

import multiprocessing
import os
import platform
import runpy
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, field
from functools import lru_cache, partial
from importlib import metadata
from multiprocessing.process import BaseProcess
from pathlib import Path

from mmselfsup.utils.cpus import available_cores
from mmselfsup.utils.errors import UserError
from mmselfsup.utils.files import file_lock
from mmselfsup.utils.parent import end_with_parent
from mmselfsup.utils.work_dir_lock import only_one

Process = BaseProcess | subprocess.Popen[bytes]
_POLL_S = 0.2
_PATIENCE_S = 600.0  # for an iteration or evaluation, and the checkpoint after it
_PACKAGES = (
    "torch", "torchvision", "timm", "mmcv", "mmcls", "numpy", "scikit-learn", "opencv-python",
    "pillow",
)  # fmt: skip
_MAX_JOBS = 4
LOCK = ".study.lock"
_COMMANDS_LOCK = ".commands.lock"


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
            target=_run_in_fork, args=(command, env, threads, os.getpid())
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
            preexec_fn=partial(_become_group, os.getpid()),
            close_fds=False,  # for the lock of ``only_commands``: Python closes its other files
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


def _become_group(parent: int) -> None:
    """Start a process group and end with the parent, so that no orphan goes on for hours."""
    with suppress(PermissionError):
        os.setpgid(0, 0)
    end_with_parent(parent)


def _run_in_fork(command: Command, env: dict[str, str], threads: int, parent: int) -> None:
    """Run the command in this fork, with its output, folder, environment and arguments."""
    import torch  # a study loads torch only where it starts processes

    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # the parent's handlers would clean up
    signal.signal(signal.SIGUSR1, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    _become_group(parent)
    if command.log:
        handle = os.open(command.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
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


def warm_up() -> bool:
    """Load what every training needs, so that forks start at once.

    Returns:
        Whether it was done. Not with a GPU: a fork can't use CUDA once its parent has used it.
    """
    import torch  # a study loads torch only where it starts processes

    if torch.cuda.is_available():
        return False
    # For the forks, which then find them loaded.
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
    """Ask processes and their children to end, and kill those that have not ended in time.

    A training then writes a checkpoint; a second Ctrl-C does not wait for it.
    """
    running = list(processes)
    if any(exit_code(process) is None for process in running):
        print("waiting for the checkpoint of what is running", file=sys.stderr, flush=True)
    try:
        for process in running:
            send(process, signal.SIGTERM)
        until = time.monotonic() + _PATIENCE_S
        while any(exit_code(process) is None for process in running) and time.monotonic() < until:
            time.sleep(_POLL_S / 4)
    finally:
        for process in running:
            send(process, signal.SIGKILL)  # the whole group: a leader may leave workers behind


@dataclass(frozen=True)
class Machine:
    """How trainings are run on this machine.

    Attributes:
        cores: Cores this process may use.
        gpus: Visible GPUs.
        warm: Run tools in forks of this process, see ``launch``.
    """

    cores: int
    gpus: int
    warm: bool

    def jobs(self, wanted: int, count: int) -> int:
        """Return how many of ``count`` trainings run at a time.

        With ``wanted=0``: one on a GPU, without a GPU one per core and at most four.
        """
        return max(1, min(count, wanted or (1 if self.gpus else min(_MAX_JOBS, self.cores))))

    def threads(self, jobs: int) -> int:
        """Return the number of threads for each of ``jobs`` trainings at a time."""
        return max(1, self.cores // jobs)


def inspect_machine() -> Machine:
    """Return what this machine has; loads torch."""
    import torch  # a study loads torch only where it starts processes

    return Machine(available_cores(), torch.cuda.device_count(), warm_up())


def check_gpus(wanted: int) -> None:
    """Check that there is a GPU for each process of a training.

    Raises:
        UserError: There are fewer.
    """
    if wanted == 0:
        return
    import torch  # a study loads torch only where it starts processes

    available = torch.cuda.device_count()
    if wanted > available:
        reason = "there is none; without GPUS the CPU is used"
        if available:
            reason = f"there are {available}"
        raise UserError(f"GPUS={wanted}: {reason}")


def environment(machine: Machine) -> dict[str, str]:
    """Describe versions and machine, without names of people or hosts."""
    versions = []
    for name in _PACKAGES:
        try:
            versions.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            continue
    return {
        "Machine": describe_machine(machine),
        "System": f"{platform.system()} {platform.machine()}",
        "Versions": ", ".join([f"Python {platform.python_version()}", *versions]),
    }


def describe_machine(machine: Machine) -> str:
    """Return the processor, the number of cores and the GPUs of a machine, without its name."""
    return f"{_processor()}, {machine.cores} cores, {_gpu_names(machine.gpus) or 'no GPU'}"


@lru_cache(maxsize=1)
def _gpu_names(count: int) -> str:
    """Return the names of the GPUs; empty without any."""
    if count == 0:
        return ""
    # Asked in a process of its own: this one lives as long as the study, and whoever asks for a
    # name takes memory of the GPU, or all of it where only one process may use it.
    code = (
        "import torch; gpus = range(torch.cuda.device_count()); "
        "print('; '.join(map(torch.cuda.get_device_name, gpus)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    return done.stdout.strip() or f"{count} GPUs"


def _processor() -> str:
    """Return the name of the processor."""
    info = Path("/proc/cpuinfo")
    if info.is_file():
        for line in info.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or "unknown processor"


def only_study(work_dir: Path) -> AbstractContextManager[None]:
    """Keep a work directory to one study inside a ``with`` block.

    Raises:
        UserError: Another study runs in it, or the folder can't be written.
    """
    return only_one(work_dir, LOCK, "study", "WORK_DIR")


def only_commands(work_dir: Path) -> AbstractContextManager[None]:
    """Wait until the commands of a study that was killed have ended; hold off the next one's.

    The commands that are started inside the block hold the lock as well. If this process is killed
    they are asked to end, which may take them a while; the next study must not start the same
    command meanwhile.
    """

    def say() -> None:
        print(f"waiting: a command of a killed study is still ending in {work_dir}", flush=True)

    return file_lock(work_dir / _COMMANDS_LOCK, say, inherited=True)
