"""Where shards are: a folder, an HTTP server, or a service that fsspec knows."""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Mapping
from threading import Lock
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from mmselfsup.utils.errors import ArgumentError, UserError, one_line

from .http_ranges import HttpStore
from .nested_settings import from_settings
from .range_reads import Refused, Store, Unavailable, Version

#: Where file systems of fsspec (s3, gs, az, local, memory) note the version of a file.
_TAGS = ("ETag", "etag", "md5Hash", "LastModified", "last_modified", "updated", "mtime", "created")
_OPEN_FILES = 64  # shards that a process keeps open


def open_store(url: str, timeout: float, options: Mapping[str, Any] | None = None) -> Store:
    """Return the store of a folder or an address.

    Args:
        url: A folder, ``file://``, ``http://``, ``https://``, or any address of fsspec
            (``s3://bucket/folder``, ``gs://``, ``memory://``).
        timeout: Seconds without a byte after which a connection counts as broken.
        options: Those of fsspec's file system; ``headers`` of the requests for HTTP.

    Raises:
        ArgumentError: The options are none of this kind of address.
        UserError: The folder is not there, or no package for this kind of address.
    """
    scheme = urlsplit(url).scheme if "://" in url else ""
    if scheme in ("http", "https"):
        return from_settings(HttpStore, "storage_options", options, url, timeout)
    if scheme in ("", "file"):
        if options:
            raise ArgumentError(f"storage_options={options!r}: a folder ({url}) has no options")
        folder = urlsplit(url).path if scheme else url
        if not os.path.isdir(folder):
            raise UserError(f"{url}: no such folder of shards; check url")
        return FolderStore(folder)
    return FsspecStore(url, options or {})


def split_address(address: str) -> tuple[str, str]:
    """Return the folder of an address and the name of its file.

    The query of an HTTP address, such as a signature, stays with the folder.
    """
    parts = urlsplit(address)
    if parts.scheme not in ("http", "https"):  # elsewhere ? and # are parts of names
        folder, _, name = address.rpartition("/")
        return folder, name
    folder, _, name = parts.path.rpartition("/")
    return parts._replace(path=folder).geturl(), unquote(name)


def join_address(folder: str, name: str) -> str:
    """Return the address of a file in a folder, see ``split_address``."""
    parts = urlsplit(folder)
    if parts.scheme not in ("http", "https"):
        return f"{folder.rstrip('/')}/{name}"
    return parts._replace(path=f"{parts.path.rstrip('/')}/{quote(name)}").geturl()


def same_service(one: str, other: str) -> bool:
    """Return whether options of one address are those of the other.

    The hosts of HTTP have to be the same, as passwords are among the options; of other addresses
    the kind, as a host there is often the name of a bucket.
    """
    first, second = urlsplit(one), urlsplit(other)
    hosts = [parts.netloc.rpartition("@")[2] for parts in (first, second)]
    web = first.scheme in ("http", "https")
    return first.scheme == second.scheme and (not web or hosts[0] == hosts[1])


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

    def version(self, name: str) -> Version:
        """Return the version of a shard, see ``range_reads.Store``."""
        try:
            found = os.stat(os.path.join(self.folder, name))
        except (FileNotFoundError, PermissionError) as error:
            raise Refused(f"{error.strerror}; copy the shard there, or check url") from error
        except OSError as error:
            raise Unavailable(error.strerror or str(error)) from error
        return Version(found.st_size, str(found.st_mtime_ns))

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
        end = None if size is None else offset + size
        data = bytes(self._call("cat_file", name, start=offset, end=end))
        if size is not None and len(data) != size:
            raise Unavailable(f"{len(data)} of {size} bytes came")
        return data

    def version(self, name: str) -> Version:
        """Return the version of a shard; its tag is what this kind of service has."""
        info = self._call("info", name)
        tag = next((str(info[key]) for key in _TAGS if info.get(key)), "")
        size = info.get("size")
        return Version(None if size is None else int(size), tag)

    def _call(self, method: str, name: str, **options: Any) -> Any:
        """Return what a method of the file system returns for a shard.

        Raises:
            Unavailable: Try again.
            Refused: Don't.
        """
        try:
            system, root = self._connect()
            return getattr(system, method)(f"{root}/{name}", **options)
        except (FileNotFoundError, PermissionError) as error:
            kind = "no such file" if isinstance(error, FileNotFoundError) else "no permission"
            raise Refused(f"{kind}; check url and storage_options") from error
        except UserError:
            raise
        except Exception as error:  # of any library behind fsspec
            raise Unavailable(f"{type(error).__name__}: {one_line(error)[:200]}") from error

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
