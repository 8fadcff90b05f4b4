"""Where shards are: a folder, an HTTP server, or a service that fsspec knows."""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Mapping
from threading import Lock
from typing import Any
from urllib.parse import urlsplit

from mmselfsup.utils.errors import UserError, one_line

from .http_ranges import HttpStore
from .range_reads import Refused, Store, Unavailable

_OPEN_FILES = 64  # shards that a process keeps open


def open_store(url: str, timeout: float, options: Mapping[str, Any] | None = None) -> Store:
    """Return the store of a folder or an address.

    Args:
        url: A folder, ``file://``, ``http://``, ``https://``, or any address of fsspec
            (``s3://bucket/folder``, ``gs://``, ``memory://``).
        timeout: Seconds without a byte after which a connection counts as broken.
        options: Those of fsspec's file system; ``headers`` of the requests for HTTP.

    Raises:
        UserError: The folder is not there, or no package for this kind of address.
    """
    scheme = urlsplit(url).scheme if "://" in url else ""
    if scheme in ("http", "https"):
        return HttpStore(url, timeout, **(options or {}))
    if scheme in ("", "file"):
        folder = urlsplit(url).path if scheme else url
        if not os.path.isdir(folder):
            raise UserError(f"{url}: no such folder of shards; check url")
        return FolderStore(folder)
    return FsspecStore(url, options or {})


class FolderStore:
    """Shards in a folder of a disk.

    Args:
        folder: The folder.
    """

    def __init__(self, folder: str) -> None:
        self.folder = folder
        self._lock = Lock()
        self._files: OrderedDict[str, Any] = OrderedDict()

    def read(self, name: str, offset: int, size: int | None) -> bytes:
        """Return a range of a shard, see ``range_reads.Store``."""
        try:
            file = self._open(name)
            if size is None:
                size = max(os.fstat(file.fileno()).st_size - offset, 0)
            data = os.pread(file.fileno(), size, offset)  # moves no position that others share
        except (FileNotFoundError, PermissionError, IsADirectoryError) as error:
            raise Refused(f"{error.strerror}; copy the shard there, or check url") from error
        except OSError as error:
            raise Unavailable(error.strerror or str(error)) from error
        if len(data) != size:
            raise Refused(
                f"the shard ends after {offset + len(data)} bytes, before this image: it is "
                "truncated, copy it again"
            )
        return data

    def _open(self, name: str) -> Any:
        """Return an open shard; the one that was not read for longest is closed."""
        with self._lock:
            file = self._files.pop(name, None)
            if file is None:
                file = open(os.path.join(self.folder, name), "rb", buffering=0)  # noqa: SIM115
            self._files[name] = file
            while len(self._files) > _OPEN_FILES:  # closed with its last reader
                self._files.popitem(last=False)
            return file

    def __getstate__(self) -> dict[str, Any]:
        return {"folder": self.folder}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(**state)  # type: ignore[misc]


class FsspecStore:
    """Shards at an address of fsspec.

    Args:
        url: The address of the folder.
        options: Arguments of its file system.
    """

    def __init__(self, url: str, options: Mapping[str, Any]) -> None:
        self.url, self.options = url.rstrip("/"), dict(options)
        self._system: tuple[int, Any, str] | None = None
        self._connect()  # a missing package is reported at once

    def read(self, name: str, offset: int, size: int | None) -> bytes:
        """Return a range of a shard, see ``range_reads.Store``."""
        try:
            system, root = self._connect()
            end = None if size is None else offset + size
            data = bytes(system.cat_file(f"{root}/{name}", start=offset, end=end))
        except (FileNotFoundError, PermissionError) as error:
            kind = "no such file" if isinstance(error, FileNotFoundError) else "no permission"
            raise Refused(f"{kind}; check url and storage_options") from error
        except UserError:
            raise
        except Exception as error:  # of any library behind fsspec
            raise Unavailable(f"{type(error).__name__}: {one_line(error)[:200]}") from error
        if size is not None and len(data) != size:
            raise Unavailable(f"{len(data)} of {size} bytes came")
        return data

    def _connect(self) -> tuple[Any, str]:
        """Return the file system of this process and the folder in it."""
        if self._system is None or self._system[0] != os.getpid():  # connections don't fork
            try:
                import fsspec

                options = {"skip_instance_cache": True, **self.options}
                system, root = fsspec.core.url_to_fs(self.url, **options)
            except (ImportError, ValueError, TypeError) as error:
                raise UserError(
                    f"{self.url}: {one_line(error)[:200]}; install the package of fsspec for this "
                    "address (s3fs, gcsfs, ...), or check url and storage_options"
                ) from error
            self._system = os.getpid(), system, str(root).rstrip("/")
        return self._system[1], self._system[2]

    def __getstate__(self) -> dict[str, Any]:
        return {"url": self.url, "options": self.options}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(**state)  # type: ignore[misc]
