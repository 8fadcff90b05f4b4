"""One run for each folder: a lock that names its owner, and outlives no process.

Two things say that a folder is taken: a lock of the operating system, which ends with its process,
and a record in the locked file (host, process, its start). The lock decides where it is seen. The
record decides where the file system has no locks or keeps them on each machine.
"""

import fcntl
import json
import os
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from .errors import UserError
from .files import NO_LOCKS
from .json_records import from_json
from .processes import boot_id, is_running, start_ticks

_MOST_BYTES = 4096  # of a record


@dataclass(frozen=True)
class Owner:
    """A process that has, or had, a folder.

    Attributes:
        host: Name of its machine.
        boot: The machine's present start, the same in all its containers.
        pid: Number of the process.
        start: Its start in clock ticks since that of the machine; None: not known.
        since: When it took the folder, for messages.
        job: The Slurm job; empty without Slurm.
        restarts: How often Slurm had requeued the job: one run of it ends before the next begins.
    """

    host: str
    boot: str
    pid: int
    start: int | None
    since: str
    job: str = ""
    restarts: int = 0

    @classmethod
    def this_process(cls) -> "Owner":
        """Describe the calling process."""
        job, restarts = (os.environ.get(f"SLURM_{n}", "") for n in ("JOB_ID", "RESTART_COUNT"))
        return cls(
            host=socket.gethostname(),
            boot=boot_id(),
            pid=os.getpid(),
            start=start_ticks(os.getpid()),
            since=time.strftime("%Y-%m-%d %H:%M:%S"),
            job=job,
            restarts=int(restarts) if restarts.isdigit() else 0,
        )

    def __str__(self) -> str:
        here = "" if self.host == socket.gethostname() else f" on {self.host}"
        return f"process {self.pid}{here}, since {self.since}"

    def has_ended(self, has_lock: bool) -> bool:
        """Return whether the process is known to have ended, for one that could take its lock.

        Args:
            has_lock: Whether the operating system gave the lock; False where it has none.
        """
        this = Owner.this_process()
        if self.host == this.host:
            me = self.pid == this.pid and self.start == this.start
            return me or not is_running(self.pid, self.start)
        if self.job and self.job == this.job and self.restarts < this.restarts:
            return True
        # In another container of this machine, which sees the same locks.
        return has_lock and bool(self.boot) and self.boot == this.boot


@contextmanager
def only_one(
    folder: Path, name: str, kind: str, option: str, warn: Callable[[str], None] | None = None
) -> Iterator[None]:
    """Keep a folder to this process inside the block.

    The owner's record is removed at the end; the empty file stays. That of a process that was
    killed is taken over, which is said.

    Args:
        folder: The folder; it is created.
        name: Name of the file that is locked, in the folder.
        kind: What there may be one of, ``training``.
        option: What the user chooses another folder with.
        warn: Called with lines for the user; by default they go to stderr.

    Raises:
        UserError: Another process has the folder, or it can't be written.
    """
    warn = warn or _print_warning
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(folder / name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    except OSError as error:
        raise UserError(
            f"can't write {folder}: {error.strerror}; choose another {option}"
        ) from error
    try:
        _take(handle, folder / name, kind, option, warn)
        _write(handle, json.dumps(asdict(Owner.this_process())))
        try:
            yield
        finally:
            _write(handle, "")
    finally:
        os.close(handle)


def _take(handle: int, path: Path, kind: str, option: str, warn: Callable[[str], None]) -> None:
    """Take the lock, or raise an error that names its owner."""
    has_lock = True
    try:
        fcntl.lockf(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)  # of this process: forks don't hold it
    except (BlockingIOError, PermissionError):  # systems differ
        owner = _read(handle)
        raise UserError(
            f"another {kind} ({owner or 'process unknown'}) is running in {path.parent}: wait "
            f"until it ends, stop it, or choose another {option}"
        ) from None
    except OSError as error:
        if error.errno not in NO_LOCKS:
            raise UserError(
                f"can't lock {path}: {error.strerror}; choose another {option}"
            ) from error
        has_lock = False
        warn(
            f"the file system of {path.parent} has no locks ({error.strerror}): make sure that no "
            f"second {kind} runs in this folder"
        )
    owner = _read(handle)
    if owner is None:
        return
    if owner.has_ended(has_lock):
        warn(f"{path.parent} is taken over: the {kind} before ({owner}) was killed")
        return
    advice = f"wait until it ends, stop it, or choose another {option}"
    if has_lock:  # which that process has not
        advice += f"; if {path.parent} is a copy of its folder, remove {path}"
    if owner.host != socket.gethostname():
        advice = f"wait until it ends; if it was killed, remove {path}"
    raise UserError(f"another {kind} ({owner}) is running in {path.parent}: {advice}")


def _read(handle: int) -> Owner | None:
    """Return the owner in the file; None: it is empty, or no record."""
    try:
        return from_json(Owner, json.loads(os.pread(handle, _MOST_BYTES, 0)))
    except (OSError, ValueError, RecursionError):  # an earlier version wrote the number alone
        return None


def _write(handle: int, text: str) -> None:
    """Replace the record; on a full disk it stays empty, and the lock remains."""
    with suppress(OSError):
        os.ftruncate(handle, 0)
        os.pwrite(handle, text.encode(), 0)


def _print_warning(line: str) -> None:
    print(f"warning: {line}", file=sys.stderr, flush=True)
