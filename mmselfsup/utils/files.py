"""Files that are written completely or not at all: to a temporary name, then renamed.

A writer that is killed leaves its temporary file. ``remove_leftovers`` finds these files by their
names, and by the lock that a living writer holds on its own.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import IO, Any

from .errors import UserError

# The umask can only be read by setting it, which other threads would notice: so once, at import.
_UMASK = os.umask(0o022)
# ``.<name>.<eight characters>`` is a file of mkstemp, ``.<name>.<number>`` a link of MMSelfSup 1.0.
_TEMPORARY = re.compile(r"\..+\.(?:pth|json|py|png|npz|txt)\.(?:[a-z0-9_]{8}|\d{1,7})")

os.umask(_UMASK)


@contextmanager
def atomic_write(path: str | os.PathLike[str], mode: str = "wb") -> Iterator[IO[Any]]:
    """Open a temporary file beside ``path``; rename it to ``path`` if the block raises nothing.

    Args:
        path: The final name; missing parent folders are created.
        mode: ``'wb'`` or ``'w'`` (UTF-8).

    Raises:
        UserError: The file can't be written (no permission, no space); the old file stays.
    """
    target = Path(path)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    except OSError as error:
        raise UserError(f"can't write {target}: {_reason(error)}; check the folder") from error
    try:
        with os.fdopen(handle, mode, encoding=None if "b" in mode else "utf-8") as file:
            _lock(file)
            yield file
            file.flush()
            os.fsync(file.fileno())  # before the rename: a power cut leaves no empty file
        os.chmod(name, 0o666 & ~_UMASK)  # mkstemp makes it private; others may read results
        os.replace(name, target)
    except BaseException as error:
        with suppress(FileNotFoundError):
            os.unlink(name)
        if isinstance(error, OSError):
            raise UserError(f"can't write {target}: {error.strerror or error}") from error
        raise


def _lock(file: IO[Any]) -> bool:
    """Lock an open file; return whether no other process holds the lock and locks are there."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:  # another process has it, or the file system has no locks
        return False
    return True


def remove_leftovers(folder: str | os.PathLike[str]) -> list[str]:
    """Remove the temporary files that killed writers left in a work dir.

    A file whose writer lives is locked and stays; where the file system has no locks, all stay.
    Call it only for a folder in which no other process replaces links.

    Returns:
        The names of the removed files.
    """
    try:
        names = sorted(name for name in os.listdir(folder) if _TEMPORARY.fullmatch(name))
    except OSError:  # no such folder
        return []
    return [name for name in names if _remove_unlocked(Path(folder, name))]


def _remove_unlocked(path: Path) -> bool:
    """Remove a temporary file or link unless its writer lives; return whether it was removed."""
    try:
        if not path.is_symlink():
            with open(path, "rb") as file:
                if not _lock(file):
                    return False
        path.unlink()
    except OSError:  # removed by its writer, or not ours to remove
        return False
    return True


def check_writable(path: str | os.PathLike[str]) -> None:
    """Check that ``atomic_write`` can write ``path``, before hours of work for it.

    Raises:
        UserError: The file can't be written.
    """
    target = Path(path)
    if target.is_dir():
        raise UserError(f"can't write {target}: it is a folder; name a file")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(prefix=f".{target.name}.", dir=target.parent):
            pass
    except OSError as error:
        raise UserError(f"can't write {target}: {_reason(error)}; check the folder") from error


def _reason(error: OSError) -> str:
    """Return why a folder can't be written, in words for a message."""
    if isinstance(error, (FileExistsError, NotADirectoryError)):
        return "there is a file in place of its folder"
    return str(error.strerror)


def atomic_write_text(path: str | os.PathLike[str], text: str) -> None:
    """Write ``text`` (UTF-8) to ``path``, completely or not at all."""
    with atomic_write(path, "w") as file:
        file.write(text)


def atomic_write_json(path: str | os.PathLike[str], obj: Any) -> None:
    """Write ``obj`` as indented JSON to ``path``, completely or not at all."""
    atomic_write_text(path, json.dumps(obj, indent=2) + "\n")


def sha256(path: Path) -> str:
    """Return the SHA-256 hash of a file."""
    stat = path.stat()
    return _sha256(path.absolute(), stat.st_mtime_ns, stat.st_size)


@cache
def _sha256(path: Path, mtime: int, size: int) -> str:
    """Hash a file once for each size and modification time, which are only the cache's key."""
    found = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):  # a checkpoint may be larger than the memory left
            found.update(block)
    return found.hexdigest()
