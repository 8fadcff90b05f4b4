"""The copy of an index of shards that lies on a server, and whether it is still that of the server.

An index that was made again has other labels or places, and with the old one a run would train on
what is no longer there. So each start asks the server for size and ``ETag`` (or time) of its index,
and reads it again where these differ from those of the copy, or where the server has no tag: an
index whose labels were exchanged has the same size.

One process of a machine asks; those that waited meanwhile take its answer. After a question without
an answer the server is not asked again for a minute: a server that hangs delays a start once.
"""

from __future__ import annotations

import logging
import time
from contextlib import suppress
from pathlib import Path

from mmselfsup.utils.errors import StorageError, UserError
from mmselfsup.utils.files import atomic_write, atomic_write_text, file_lock

from .range_reads import Retry, Store, Version, read_range, read_version, what_failed

_SILENT_S = 60.0  # after which a server that gave no answer is asked again


def copy_of(store: Store, quick: Store, name: str, copy: Path, retry: Retry, index: str) -> None:
    """Copy an index, or check that the copy is that of the server.

    A copy stays in use while the server does not answer, with a warning: images that are read are
    compared with their checksums in it.

    Args:
        store: Where the index is.
        quick: The same with the timeout of ``retry.once()``, to ask for the version.
        name: Its name there.
        copy: The file of the copy.
        retry: How often the store is asked.
        index: The address, for errors.

    Raises:
        StorageError: There is no copy, and the store gives none.
        UserError: The index has changed since it was copied.
    """
    begin = time.time()
    with file_lock(Path(f"{copy}.lock")):
        failure = _earlier_answer(copy, begin)
        if failure is None:
            failure = _ask(store, quick, name, copy, retry, index)
            with suppress(UserError), atomic_write(_answer(copy), "w", sync=False) as file:
                file.write(f"{time.time()}\n{failure}")  # on a full disk each process asks
        if not copy.is_file():
            raise StorageError(failure)
    if failure:
        logging.getLogger("mmselfsup").warning(
            "the index is not compared with that of the server (%s): its copy %s is used",
            what_failed(failure), copy,
        )  # fmt: skip


def _earlier_answer(copy: Path, begin: float) -> str | None:
    """Return what another process heard, see ``_ask``; None where the server has to be asked.

    Its answer holds where it came after ``begin``, and for a minute where the server gave none.
    """
    try:  # the time is in the file: that of the file itself may lie milliseconds behind
        first, _, failure = _answer(copy).read_text().partition("\n")
        when = float(first)
    except (OSError, ValueError):  # nobody has asked
        return None
    age, there = time.time() - when, copy.is_file()
    if age < 0 or not (failure or there):  # the clock was set back, the copy was removed
        return None
    if when >= begin or (failure and there and age < _SILENT_S):
        return failure
    return None


def _ask(store: Store, quick: Store, name: str, copy: Path, retry: Retry, index: str) -> str:
    """Copy or compare an index, see ``copy_of``; return why the server gave no answer, or ''."""
    try:
        if copy.is_file():
            version = read_version(quick, name, retry.once(), index)
            _compare(store, name, copy, retry, index, version)
            return ""
        version = Version(None, "")  # a store may give the bytes, but no version
        with suppress(StorageError):
            version = read_version(quick, name, retry.once(), index)
        with atomic_write(copy) as file:
            file.write(read_range(store, name, 0, None, retry, index))
        _note_version(copy, version)
    except StorageError as error:
        return str(error)
    return ""


def _compare(
    store: Store, name: str, copy: Path, retry: Retry, index: str, version: Version
) -> None:
    """Check that a copy is an index of this version.

    Raises:
        StorageError: The store does not give the index.
        UserError: The index is another.
    """
    note = _note(copy)
    if version.tag and note.is_file() and note.read_text() == _text(version):
        return
    data = None
    if version.size in (None, copy.stat().st_size):  # another tag may be that of another server
        data = read_range(store, name, 0, None, retry, index)
    if data != copy.read_bytes():
        raise UserError(
            f"{index} has changed since it was copied: its images, labels or places are others; "
            f"remove {copy} to take the new one"
        )
    _note_version(copy, version)


def _note_version(copy: Path, version: Version) -> None:
    """Write which version was copied; one without a tag says too little to be noted."""
    if version.tag:
        atomic_write_text(_note(copy), _text(version))
    else:
        _note(copy).unlink(missing_ok=True)


def _note(copy: Path) -> Path:
    return Path(f"{copy}.version")


def _answer(copy: Path) -> Path:
    return Path(f"{copy}.answer")


def _text(version: Version) -> str:
    return f"{version.size} {version.tag}\n"
