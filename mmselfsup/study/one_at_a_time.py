"""One study at a time in a work directory."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mmselfsup.utils.errors import UserError

LOCK = ".study.lock"


@contextmanager
def only_study(work_dir: Path) -> Iterator[None]:
    """Hold the lock of a work directory.

    The operating system releases it when the study's process ends, however it ends; so the file
    that remains locks nothing.

    Raises:
        UserError: Another study holds the lock, or the folder can't be written.
    """
    try:
        work_dir.mkdir(parents=True, exist_ok=True)
        handle = os.open(work_dir / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    except OSError as error:
        raise UserError(
            f"can't write {work_dir}: {error.strerror}; choose another WORK_DIR"
        ) from error
    try:
        _take(handle, work_dir)
        os.ftruncate(handle, 0)
        os.pwrite(handle, str(os.getpid()).encode(), 0)
        yield
    finally:
        os.close(handle)


def _take(handle: int, work_dir: Path) -> None:
    """Take the lock, or raise an error that names its owner."""
    try:
        fcntl.lockf(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)  # of this process: forks don't hold it
    except BlockingIOError:
        owner = os.pread(handle, 20, 0).decode(errors="replace") or "unknown"
        raise UserError(
            f"another study (process {owner}) is running in {work_dir}: wait until it ends, stop "
            "it, or choose another WORK_DIR"
        ) from None
