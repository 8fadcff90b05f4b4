"""The copy of an index of shards that lies on a server, and whether it is still that of the server.

An index that was made again has other labels or places, and with the old one a run would train on
what is no longer there. So each start asks the server for size and ``ETag`` (or time) of its index,
and reads it again where these differ from those of the copy.
"""

from __future__ import annotations

import logging
from pathlib import Path

from mmselfsup.utils.errors import StorageError, UserError
from mmselfsup.utils.files import atomic_write, atomic_write_text

from .range_reads import Retry, Store, Version, read_range, read_version


def copy_of(store: Store, name: str, copy: Path, retry: Retry, index: str) -> None:
    """Copy an index, or check that the copy is that of the server.

    A copy stays in use while the server does not answer: images that are read are compared with
    their checksums in it.

    Args:
        store: Where the index is.
        name: Its name there.
        copy: The file of the copy.
        retry: How often the store is asked.
        index: The address, for errors.

    Raises:
        StorageError: There is no copy, and the store gives none.
        UserError: The index has changed since it was copied.
    """
    version = _version(store, name, Retry(tries=1, timeout=retry.timeout), index)
    if not copy.is_file():
        _write(copy, read_range(store, name, 0, None, retry, index), version)
        return
    if version is None or _is_known(copy, version):
        return
    data = None
    if version.size in (None, copy.stat().st_size):  # another tag may be that of another server
        data = read_range(store, name, 0, None, retry, index)
    if data != copy.read_bytes():
        raise UserError(
            f"{index} has changed since it was copied: its images, labels or places are others; "
            f"remove {copy} to take the new one"
        )
    _write(copy, None, version)


def _version(store: Store, name: str, retry: Retry, index: str) -> Version | None:
    """Return the version of the index on the server; None where it does not answer."""
    try:
        return read_version(store, name, retry, index)
    except StorageError as error:
        logging.getLogger("mmselfsup").info("not compared with its copy: %s", error)
        return None


def _is_known(copy: Path, version: Version) -> bool:
    """Return whether the copy was read as this version; of one without a tag the size decides."""
    note = _note(copy)
    known = note.read_text() if note.is_file() else ""
    if not version.tag and version.size is not None:
        return version.size == copy.stat().st_size
    return known == _text(version)


def _write(copy: Path, data: bytes | None, version: Version | None) -> None:
    """Write the copy, unless it is there, and the note of its version."""
    if data is not None:
        with atomic_write(copy) as file:
            file.write(data)
    if version is not None:
        atomic_write_text(_note(copy), _text(version))


def _note(copy: Path) -> Path:
    return Path(f"{copy}.version")


def _text(version: Version) -> str:
    return f"{version.size} {version.tag}\n"
