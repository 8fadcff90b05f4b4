"""Ranges of files of an HTTP server (RFC 9110, 14), over connections that stay open.

The proxies and exceptions of the environment (``https_proxy``, ``no_proxy``) hold, and answers that
name another address are followed.
"""

from __future__ import annotations

import http.client
import os
import threading
from base64 import b64encode
from collections.abc import Mapping
from typing import Any
from urllib.parse import SplitResult, quote, unquote, urljoin, urlsplit
from urllib.request import getproxies, proxy_bypass

from mmselfsup.utils.errors import ArgumentError, UserError, one_line

from .range_reads import Refused, Unavailable, Version

_ELSEWHERE = (301, 302, 303, 307, 308)
_MAY_PASS = (408, 425, 429, 500, 502, 503, 504, 507, 509, 520, 521, 522, 523, 524)
_MOST_MOVES = 5
_REASONS = {
    401: "a password is needed (storage_options=dict(headers=...), or user:password@host)",
    403: "access is forbidden (an address that has expired?)",
    404: "no such file; check url",
    410: "the file is gone; check url",
    416: "the shard is shorter than its index says: it is truncated, or of another index",
}
_Key = tuple[str, str]


class HttpStore:
    """Shards below an address of an HTTP server.

    Args:
        url: The address of the folder, ``http`` or ``https``; a query stays behind the file's name.
        timeout: Seconds without a byte after which a connection counts as broken.
        headers: Further headers of each request, such as ``{"Authorization": "Bearer ..."}``.
    """

    def __init__(self, url: str, timeout: float, headers: Mapping[str, str] | None = None) -> None:
        if headers is not None and not isinstance(headers, Mapping):
            raise ArgumentError(f"storage_options.headers must be a dict, got {headers!r}")
        self.url, self.timeout, self.headers = url, timeout, dict(headers or {})
        if not urlsplit(url).hostname:
            raise UserError(f"{url}: no host in this url")
        self._start()

    def read(self, name: str, offset: int, size: int | None) -> bytes:
        """Return a range of a shard, see ``range_reads.Store``."""
        return self._get(name, offset, size)[1]

    def version(self, name: str) -> Version:
        """Return the version of a shard, by a request for its first byte."""
        headers, _ = self._get(name, 0, 1)
        size = headers.get("Content-Range", "").rpartition("/")[2].strip()
        tag = headers.get("ETag") or headers.get("Last-Modified") or ""
        return Version(int(size) if size.isdecimal() else None, tag)

    def _get(self, name: str, offset: int, size: int | None) -> tuple[Any, bytes]:
        """Return the headers of the answer to a request for a range, and its bytes."""
        parts = urlsplit(self.url)
        target = parts._replace(path=f"{parts.path.rstrip('/')}/{quote(name)}").geturl()
        last = "" if size is None else offset + size - 1
        ranges = {} if size is None and not offset else {"Range": f"bytes={offset}-{last}"}
        for _ in range(_MOST_MOVES):
            status, headers, data = self._ask(urlsplit(target), ranges, size)
            if status not in _ELSEWHERE:
                break
            target = urljoin(target, headers.get("Location", ""))
        else:
            raise Refused(f"the server sends in a circle (HTTP {status}, {target}); check url")
        _check(status, headers, bool(ranges), offset)
        if size is not None and len(data) != size:
            raise Unavailable(f"{len(data)} of {size} bytes came")
        return headers, data

    def _ask(
        self, target: SplitResult, ranges: Mapping[str, str], size: int | None
    ) -> tuple[int, Any, bytes]:
        """Return status, headers and, where it is what was asked for, the content of an answer."""
        own = urlsplit(self.url)
        headers = {"User-Agent": "mmselfsup", "Accept-Encoding": "identity", **ranges}
        if (target.scheme, target.netloc) == (own.scheme, own.netloc):  # secrets stay with the host
            headers |= {**_basic(target), **self.headers}
        key = target.scheme, target.netloc.rpartition("@")[2]
        proxy = _proxy(target)
        if proxy and target.scheme == "http":  # for https it stands in the request for the tunnel
            headers |= _basic(proxy, "Proxy-Authorization")
        while True:
            used = key in self._connections()
            try:
                connection, path = self._connection(key, target)
                connection.request("GET", path, headers=headers)
                answer = connection.getresponse()
                wanted = answer.status == (206 if ranges else 200)
                data = answer.read(None if size is None else size + 1) if wanted else b""
            except (OSError, http.client.HTTPException) as error:
                self._close(key)
                if used and not isinstance(error, TimeoutError):
                    continue  # the server had closed it meanwhile
                raise Unavailable(_reason(error, self.timeout)) from error
            if not wanted or not answer.isclosed():  # what was not read would be the next answer
                self._close(key)
            return answer.status, answer.headers, data

    def _connection(self, key: _Key, target: SplitResult) -> tuple[http.client.HTTPConnection, str]:
        """Return the connection of this thread to a host, and the path to ask it for."""
        path = target._replace(scheme="", netloc="", fragment="").geturl() or "/"
        scheme, host = key
        proxy = _proxy(target)
        if proxy and scheme == "http":
            path = target._replace(netloc=host, fragment="").geturl()
        kept = self._connections()
        if key not in kept:
            secure = scheme == "https"
            kind = http.client.HTTPSConnection if secure else http.client.HTTPConnection
            first = proxy.netloc.rpartition("@")[2] if proxy else host
            kept[key] = kind(first, timeout=self.timeout)
            if proxy and secure:
                kept[key].set_tunnel(host, headers=_basic(proxy, "Proxy-Authorization"))
        return kept[key], path

    def _connections(self) -> dict[_Key, http.client.HTTPConnection]:
        """Return the open connections of this thread of this process."""
        if getattr(self._local, "process", None) != os.getpid():  # sockets are not shared by forks
            self._local.process, self._local.connections = os.getpid(), {}
        found: dict[_Key, http.client.HTTPConnection] = self._local.connections
        return found

    def _close(self, key: _Key) -> None:
        connection = self._connections().pop(key, None)
        if connection is not None:
            connection.close()

    def _start(self) -> None:
        self._local = threading.local()

    def __getstate__(self) -> dict[str, Any]:
        return {k: v for k, v in self.__dict__.items() if k != "_local"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._start()


def _proxy(target: SplitResult) -> SplitResult | None:
    """Return the proxy of the environment for an address; it may be written without a scheme."""
    found = None if proxy_bypass(target.hostname or "") else getproxies().get(target.scheme)
    if not found:
        return None
    return urlsplit(found if "://" in found else f"//{found.lstrip('/')}")


def _basic(target: SplitResult, header: str = "Authorization") -> dict[str, str]:
    """Return the header with the name and password of an address."""
    if target.username is None:
        return {}
    word = f"{unquote(target.username)}:{unquote(target.password or '')}"
    return {header: f"Basic {b64encode(word.encode()).decode()}"}


def _check(status: int, headers: Any, ranged: bool, offset: int) -> None:
    """Check that an answer is the one that was asked for.

    Raises:
        Unavailable: Try again.
        Refused: Don't.
    """
    if status in _MAY_PASS:
        wait = headers.get("Retry-After", "")
        raise Unavailable(f"HTTP {status}", float(wait) if wait.isdigit() else None)
    if ranged and status == 200:
        raise Refused(
            "the server ignores ranges (it answers 200 with the whole file): take a server that "
            "has them (nginx, Apache, S3; not python -m http.server), or copy the shards to a disk"
        )
    if status != (206 if ranged else 200):
        raise Refused(f"HTTP {status}: {_REASONS.get(status, 'check url')}")
    begin = headers.get("Content-Range", "").removeprefix("bytes ").partition("-")[0].strip()
    if ranged and begin != str(offset):
        raise Refused(f"the server sends another range, from byte {begin or '?'}; check url")


def _reason(error: Exception, timeout: float) -> str:
    """Return what went wrong on a connection, in a few words."""
    if isinstance(error, TimeoutError):
        return f"no answer in {timeout:g} s"
    if isinstance(error, http.client.IncompleteRead):
        return f"the answer ended after {len(error.partial)} bytes"
    return f"{type(error).__name__}: {one_line(error)[:200]}".removesuffix(": ")
