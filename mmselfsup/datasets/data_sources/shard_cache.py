"""Files of images of a remote store, kept on a local disk up to a limit.

Each image is a file, as most images of an epoch are needed once and in any order: parts of shards
would bring along many others. The file that was not read for longest goes first. Any number of
processes share a folder: a file appears complete or not at all, the bytes in use are counted in a
file under a lock, and a reader that loses a race asks the store.

A folder has 256 sub-folders, and ``used``, which holds the number of bytes. After a crash it may be
too high, never too low; making room counts again.
"""

from __future__ import annotations

import errno
import hashlib
import logging
import os
import threading
import time
import zlib
from contextlib import suppress
from pathlib import Path

from mmselfsup.utils.errors import ArgumentError, UserError
from mmselfsup.utils.files import expanded, file_lock

from .shard_index import Place

_KEEP = 0.9  # of the limit, after room was made
_STALE_S = 3600.0  # after which an unfinished file is one of a killed process
_GB = 10**9


class ShardCache:
    """A folder of images of shards.

    Args:
        dir: The folder, on a local disk; shared by all data sources that name it.
        size_gb: How many gigabytes (10**9 bytes) it may hold.

    Raises:
        UserError: The limit is no number above 0, or the folder can't be written.
    """

    def __init__(self, dir: str, size_gb: float = 50.0) -> None:
        if not isinstance(size_gb, int | float) or not size_gb > 0:
            raise UserError(f"shard_cache.size_gb is {size_gb!r}: give gigabytes above 0")
        if not isinstance(dir, str | os.PathLike):
            raise ArgumentError(f"shard_cache.dir must be a folder, got {dir!r}")
        self.folder, self.limit = expanded(dir), int(size_gb * _GB)
        self._full = False
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with file_lock(self.folder / "lock"):
                pass
        except OSError as error:
            raise UserError(
                f"shard_cache: can't write {self.folder}: {error.strerror}; check shard_cache.dir"
            ) from error

    def get(self, content: str, place: Place) -> bytes | None:
        """Return the bytes of an image; None where they are not there, or damaged.

        Args:
            content: The digest of the index.
            place: The image.
        """
        path = self._path(content, place)
        try:
            data = path.read_bytes()
        except OSError:
            return None
        if len(data) != place.size or zlib.crc32(data) != place.crc:  # a power cut
            path.unlink(missing_ok=True)
            return None
        with suppress(OSError):
            os.utime(path)  # it was read: it goes last
        return data

    def put(self, content: str, place: Place, data: bytes) -> None:
        """Keep the bytes of an image; where the disk is full this is said once, and they are not.

        Args:
            content: The digest of the index.
            place: The image.
            data: Its bytes.
        """
        path = self._path(content, place)
        if self._full or len(data) > self.limit:
            return
        part = path.with_name(f".{path.name}.{os.getpid()}-{threading.get_ident()}")
        try:
            path.parent.mkdir(exist_ok=True)
            part.write_bytes(data)
            # Under one lock: who counts the files anew must see each that is counted.
            with file_lock(self.folder / "lock"):
                self._count(len(data))
                os.replace(part, path)
        except OSError as error:
            with suppress(OSError):
                part.unlink(missing_ok=True)
            self._report(error)

    def is_empty(self) -> bool:
        """Return whether no image was ever kept here."""
        return not (self.folder / "used").exists()

    def used(self) -> int:
        """Return how many bytes the images have, counted anew."""
        return sum(size for _, size, _ in self._files())

    def _path(self, content: str, place: Place) -> Path:
        key = hashlib.sha256(f"{content} {place.shard} {place.offset}".encode()).hexdigest()[:32]
        return self.folder / key[:2] / key[2:]

    def _count(self, size: int) -> None:
        """Count the bytes of a further image, after making room for it; the caller has the lock."""
        counter = self.folder / "used"
        try:
            used = int(counter.read_text())
        except (OSError, ValueError):  # a new folder, or a power cut
            used = self.used()
        if used + size > self.limit:
            used = self._make_room(int(self.limit * _KEEP) - size)
        counter.write_text(str(used + size))

    def _make_room(self, most: int) -> int:
        """Remove images until they have ``most`` bytes; return how many they have."""
        files = sorted(self._files())
        used = sum(size for _, size, _ in files)
        for _, size, path in files:
            if used <= most:
                break
            with suppress(FileNotFoundError):
                os.unlink(path)
            used -= size
        return used

    def _files(self) -> list[tuple[int, int, str]]:
        """Return time of the last reading in ns, size and path of each image.

        Files that killed processes did not finish are removed.
        """
        found = []
        for number in range(256):
            with suppress(FileNotFoundError), os.scandir(self.folder / f"{number:02x}") as entries:
                for entry in entries:
                    with suppress(FileNotFoundError):
                        stat = entry.stat()
                        if not entry.name.startswith("."):
                            found.append((stat.st_mtime_ns, stat.st_size, entry.path))
                        elif time.time() - stat.st_mtime > _STALE_S:
                            os.unlink(entry.path)
        return found

    def _report(self, error: OSError) -> None:
        """Say once that images can't be kept; a full disk is not tried again."""
        self._full = True
        more = "; lower shard_cache.size_gb or make room" if error.errno == errno.ENOSPC else ""
        logging.getLogger("mmselfsup").warning(
            "shard_cache: can't write into %s (%s): further images of this process are read from "
            "the store each time%s", self.folder, error.strerror, more,
        )  # fmt: skip
