"""Files that are written completely or not at all, and locks between processes.

A file is written to a temporary name, then renamed. A writer that is killed leaves its temporary
file: ``remove_leftovers`` finds these by their names, and by the lock that a living writer holds.
"""

from __future__ import annotations

import csv
import errno
import fcntl
import hashlib
import io
import json
import math
import os
import re
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import IO, Any

from .errors import UserError

# The umask can only be read by setting it, which other threads would notice: so once, at import.
_UMASK = os.umask(0o022)
os.umask(_UMASK)
# ``.<name>.<eight characters>`` is a file of mkstemp, ``.<name>.<number>`` a link of MMSelfSup 1.0.
_WRITTEN = (
    "pth|json|py|npy|npz|txt|csv|html|tex|md|unfinished|png|jpe?g|webp|bmp|tiff?|ppm|tar"
    "|safetensors"  # suffixes
)
_TEMPORARY = re.compile(rf"\..*\.(?i:{_WRITTEN})\.(?:[a-z0-9_]{{8}}|\d{{1,7}})")
_NAME_MAX = 255  # bytes of a file name, on nearly all file systems
_THREADS = 8  # that ask for the stamps of files
_RANDOM = 8  # characters that ``mkstemp`` adds to a name
#: What a file system without locks answers: NFS without lockd, Lustre without flock, FUSE.
NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL)


@contextmanager
def atomic_write(
    path: str | os.PathLike[str], mode: str = "wb", sync: bool = True
) -> Iterator[IO[Any]]:
    """Open a temporary file beside ``path``; rename it to ``path`` if the block raises nothing.

    Args:
        path: The final name; missing parent folders are created.
        mode: ``'wb'`` or ``'w'`` (UTF-8).
        sync: Whether the bytes are on the disk before the file has its name. False is faster for
            many files; a power cut may then leave an empty file, which the caller must notice.

    Raises:
        UserError: The file can't be written (no permission, no space); the old file stays.
    """
    target = Path(path)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=temporary_prefix(target), dir=target.parent)
    except OSError as error:
        raise UserError(f"can't write {target}: {_reason(error)}; check the folder") from error
    try:
        encoding = None if "b" in mode else "utf-8"
        # not fdopen: libraries that open the file themselves need ``file.name``
        with open(name, mode, encoding=encoding, opener=lambda *_: handle) as file:
            _lock(file)
            yield file
            file.flush()
            if sync:  # before the rename: a power cut leaves no empty file
                os.fsync(file.fileno())
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
    """Remove the temporary files that killed writers left in a folder.

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


def temporary_prefix(target: Path) -> str:
    """Return how the names of ``atomic_write``'s temporary files for ``target`` begin."""
    # A name may take all the bytes that a file system allows: the random part then replaces its
    # end. Cut between characters: half of one is no name that every file system accepts.
    room = _NAME_MAX - _RANDOM - len("..")
    name = os.fsencode(target.name)[:room].decode("utf-8", "ignore")
    return f".{name}."


def expanded(path: str | os.PathLike[str]) -> Path:
    """Return a path with the home folder in place of ``~`` or ``~name``.

    Raises:
        UserError: There is no user of that name.
    """
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        raise UserError(
            f"{path}: this machine knows no user of the name behind '~': write the whole path"
        ) from error


def check_ending(option: str, path: str, ending: str) -> None:
    """Check that a file to be written is named as what it will be.

    Args:
        option: The option that names it, for the message.
        path: The file.
        ending: That of its name, with the dot.

    Raises:
        UserError: Its name ends otherwise, in small or capital letters.
    """
    if not path.lower().endswith(ending):
        raise UserError(f"{option} {path}: name a file that ends with {ending}")


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
        with tempfile.NamedTemporaryFile(prefix=temporary_prefix(target), dir=target.parent):
            pass
    except OSError as error:
        raise UserError(f"can't write {target}: {_reason(error)}; check the folder") from error


def check_folder(option: str, folder: str | os.PathLike[str]) -> None:
    """Check that files can be written into a folder that is made later; nothing stays.

    Args:
        option: The option that names it, for the message.
        folder: The folder; the nearest one above that is there is tried where it is not.

    Raises:
        UserError: There is a file in place of a folder, or the folder can't be written.
    """
    nearest = Path(folder).absolute()
    try:
        while not nearest.exists() and nearest != nearest.parent:
            nearest = nearest.parent
        with tempfile.NamedTemporaryFile(prefix=temporary_prefix(Path("probe.txt")), dir=nearest):
            pass
    except OSError as error:
        raise UserError(
            f"{option}: can't write into {folder}: {_reason(error)}; name a folder that can be "
            "written"
        ) from error


def _reason(error: OSError) -> str:
    """Return why a folder can't be written, in words for a message."""
    if isinstance(error, (FileExistsError, NotADirectoryError)):
        return "there is a file in place of its folder"
    return str(error.strerror)


def atomic_write_text(path: str | os.PathLike[str], text: str) -> None:
    """Write ``text`` (UTF-8) to ``path``, completely or not at all."""
    with atomic_write(path, "w") as file:
        file.write(text)


def csv_text(rows: Iterable[Iterable[Any]]) -> str:
    """Return rows as the text of a CSV file, header included."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()


def atomic_write_json(path: str | os.PathLike[str], obj: Any, indent: int | None = 2) -> None:
    """Write ``obj`` as JSON to ``path``, completely or not at all; see ``json_value``."""
    atomic_write_text(path, json.dumps(json_value(obj), indent=indent, allow_nan=False) + "\n")


def json_value(value: Any) -> Any:
    """Return a value that JSON can express (RFC 8259): NaN and infinity become None.

    So every file of JSON that this package writes can be read by any program; what reads it back
    takes null for "not a number". Keys that are no text become one, as ``json`` makes them.
    """
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {_json_key(key): json_value(item) for key, item in value.items()}
    return [json_value(item) for item in value] if isinstance(value, list | tuple) else value


def _json_key(key: Any) -> Any:
    """Return a key of an object; ``json`` itself would write NaN as a key without quotes."""
    return str(key) if isinstance(key, float) and not math.isfinite(key) else key


@contextmanager
def file_lock(
    path: str | os.PathLike[str],
    on_wait: Callable[[], None] = lambda: None,
    inherited: bool = False,
) -> Iterator[None]:
    """Hold a lock inside the block; other processes that want it wait.

    The system releases it when the process ends, however it ends: a killed run leaves no lock.
    Forks of the process hold it as well, and release it when they end.
    Where the file system of ``path`` has no locks, a file in the machine's folder for temporary
    files is locked instead: then only processes of one machine wait for each other.

    Args:
        path: A file that is there for the lock alone; it is created.
        on_wait: Called when another process holds the lock, before waiting for it.
        inherited: Whether programs that the process starts hold it as well, if they inherit files.

    Raises:
        OSError: The file can't be written.
        UserError: Neither file system has locks.
    """
    with ExitStack() as stack:
        lock: IO[str] = stack.enter_context(open(path, "a"))
        try:
            _flock(lock, on_wait)
        except OSError as error:
            if error.errno not in NO_LOCKS:
                raise
            lock = _lock_on_this_machine(stack, Path(path), on_wait)
        if inherited:
            os.set_inheritable(lock.fileno(), True)
        yield


def _flock(lock: IO[str], on_wait: Callable[[], None]) -> None:
    """Lock an open file, after other processes have released it."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        on_wait()
        fcntl.flock(lock, fcntl.LOCK_EX)


def _lock_on_this_machine(stack: ExitStack, path: Path, on_wait: Callable[[], None]) -> IO[str]:
    """Return a locked file that stands for ``path``, in the machine's temporary folder."""
    digest = hashlib.sha256(os.fsencode(path.resolve())).hexdigest()[:24]
    place = os.path.join(tempfile.gettempdir(), f"mmselfsup-{os.getuid()}-{digest}.lock")
    try:  # the folder is everyone's: never follow another user's link
        handle = os.open(place, os.O_CREAT | os.O_WRONLY | os.O_NOFOLLOW, 0o600)
        lock = stack.enter_context(os.fdopen(handle, "w"))
        _flock(lock, on_wait)
    except OSError as error:
        raise UserError(
            f"the file system of {path} has no locks, and {place} can't be locked "
            f"({error.strerror}): set TMPDIR to a folder on a local disk"
        ) from error
    return lock


def file_stamp(path: str | os.PathLike[str]) -> tuple[int, int]:
    """Return size in bytes and time of the last change in ns of a file; -1 where there is none."""
    try:
        stat = os.stat(path)
    except OSError:
        return -1, -1
    return stat.st_size, stat.st_mtime_ns


def file_stamps(paths: Sequence[str | os.PathLike[str]]) -> list[tuple[int, int]]:
    """Return the ``file_stamp`` of many files, read side by side: a network's disk answers slowly.

    What is made from files notices by their stamps that they were replaced.
    """
    with ThreadPoolExecutor(_THREADS) as pool:
        return list(pool.map(file_stamp, paths))


def sha256(path: Path) -> str:
    """Return the SHA-256 hash of a file."""
    stat = path.stat()
    return _sha256(path.absolute(), stat.st_mtime_ns, stat.st_size)


def forget_hashes() -> None:
    """Hash every file again from now on, also those whose size and time are the same."""
    _sha256.cache_clear()


@cache
def _sha256(path: Path, mtime: int, size: int) -> str:
    """Hash a file once for each size and modification time, which are only the cache's key."""
    found = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):  # a checkpoint may be larger than the memory left
            found.update(block)
    return found.hexdigest()
