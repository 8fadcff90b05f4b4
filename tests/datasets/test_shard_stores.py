"""Ranges of shards from a folder, a server that fails in many ways, and fsspec."""

from __future__ import annotations

import os
import pickle
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from mmselfsup.datasets.data_sources.range_reads import Retry, read_range
from mmselfsup.datasets.data_sources.shard_stores import FolderStore, open_store
from mmselfsup.utils.errors import StorageError, UserError
from tests.datasets.range_server import RangeServer, serving

DATA = bytes(range(256)) * 8


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[RangeServer]:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "a b.tar").write_bytes(DATA)
    with serving(tmp_path) as found:
        yield found


def read(store: Any, offset: int = 10, size: int | None = 20, **retry: Any) -> bytes:
    return read_range(
        store, "a b.tar", offset, size, Retry(**{"wait": 0, **retry}), "URL/a b.tar (line 3)"
    )


def http(server: RangeServer, timeout: float = 5.0, **options: Any) -> Any:
    return open_store(f"{server.url}/data/", timeout, options)


def test_ranges_come_over_one_connection(server: RangeServer) -> None:
    store = http(server)
    for offset, size in ((0, 1), (10, 20), (len(DATA) - 3, 3), (5, 0)):
        assert read(store, offset, size) == DATA[offset : offset + size]
    assert read(store, 7, None) == DATA[7:]
    assert read(store, 0, None) == DATA
    assert server.connections == 1
    path, headers = server.requests[1]
    assert (path, headers["Range"]) == ("/data/a%20b.tar", "bytes=10-29")
    assert "Range" not in server.requests[-1][1]


def test_a_store_in_threads_and_forks_and_pickled(server: RangeServer) -> None:
    store = http(server)
    assert read(store) == DATA[10:30]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda i: read(store, i, i + 1), range(40)))
    assert found == [DATA[i : 2 * i + 1] for i in range(40)]
    assert read(pickle.loads(pickle.dumps(store))) == DATA[10:30]
    before = server.connections
    child = os.fork()
    if child == 0:
        os._exit(0 if read(store) == DATA[10:30] else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert server.connections == before + 1  # the child has its own
    assert read(store) == DATA[10:30]


@pytest.mark.parametrize("fault", [500, 502, 503, 504, 429, 408, "cut", "never", "away"])
def test_a_failure_that_passes_is_tried_again(server: RangeServer, fault: Any) -> None:
    server.faults = [fault, fault]
    assert read(http(server, timeout=0.1)) == DATA[10:30]
    assert len(server.requests) == 3


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (503, "HTTP 503"),
        ("cut", "10 of 20 bytes came"),
        ("never", r"no answer in 0\.1 s"),
        ("away", "RemoteDisconnected"),
    ],
)
def test_a_failure_that_stays_is_one_line(server: RangeServer, fault: Any, reason: str) -> None:
    server.faults = [fault] * 9
    with pytest.raises(StorageError) as error:
        read(http(server, timeout=0.1), tries=3)
    assert len(server.requests) == 3
    text = str(error.value)
    assert text.startswith("URL/a b.tar (line 3), bytes 10 to 29: ")
    assert "\n" not in text
    assert error.match(reason + ".*, 3 times in .* s; check the storage")


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("whole", "ignores ranges"),
        ("other", "sends another range, from byte 11"),
        (404, "HTTP 404: no such file"),
        (403, "access is forbidden"),
        (401, "a password is needed"),
        (400, "HTTP 400: check url"),
    ],
)
def test_an_answer_that_will_stay_is_not_tried_again(
    server: RangeServer, fault: Any, reason: str
) -> None:
    server.faults = [fault]
    with pytest.raises(StorageError, match=reason):
        read(http(server))
    assert len(server.requests) == 1
    assert read(http(server)) == DATA[10:30]


def test_ranges_beyond_the_end(server: RangeServer) -> None:
    with pytest.raises(StorageError, match="shorter than its index says"):
        read(http(server), len(DATA), 5)
    with pytest.raises(StorageError, match="3 of 5 bytes came, 2 times"):
        read(http(server), len(DATA) - 3, 5, tries=2)
    with pytest.raises(StorageError, match=r"the shard ends after 2048 bytes.*truncated"):
        read(FolderStore(str(server.folder)), len(DATA) - 3, 5)


def test_a_closed_connection_is_opened_again_without_a_try(server: RangeServer) -> None:
    store = http(server)
    read(store)
    server.faults = ["away"]  # as a server that closes idle connections
    assert read(store, tries=1) == DATA[10:30]


def test_moves_are_followed_and_secrets_stay(server: RangeServer, tmp_path: Path) -> None:
    with serving(tmp_path) as other:
        server.faults = [("move", f"{other.url}/elsewhere/a%20b.tar?x=1")]
        store = open_store(
            f"http://me:p%40ss@{server.url.removeprefix('http://')}/data?key=1",
            5.0,
            dict(headers={"X-Own": "1"}),
        )
        assert read(store) == DATA[10:30]
    path, headers = server.requests[0]
    assert path == "/data/a%20b.tar?key=1"
    assert (headers["Authorization"], headers["X-Own"]) == ("Basic bWU6cEBzcw==", "1")
    path, headers = other.requests[0]
    assert path == "/elsewhere/a%20b.tar?x=1"
    assert not {"Authorization", "X-Own"} & set(headers)
    server.faults = [("move", "a%20b.tar")] * 9
    with pytest.raises(StorageError, match="sends in a circle"):
        read(http(server))


def test_a_proxy_of_the_environment(server: RangeServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", server.url)
    monkeypatch.setenv("no_proxy", "")
    assert read(open_store("http://far.example/x", 5.0)) == DATA[10:30]
    assert server.requests[0][0] == "http://far.example/x/a%20b.tar"
    assert server.requests[0][1]["Host"] == "far.example"


@pytest.mark.parametrize(
    "form", ["{}", "//{}", "http://{}", "me:p%40ss@{}", "http://me:p%40ss@{}/"]
)
def test_forms_of_proxies(server: RangeServer, monkeypatch: pytest.MonkeyPatch, form: str) -> None:
    monkeypatch.setenv("http_proxy", form.format(server.url.removeprefix("http://")))
    monkeypatch.setenv("no_proxy", "")
    assert read(open_store("http://far.example/x", 5.0)) == DATA[10:30]
    sent = server.requests[0][1].get("Proxy-Authorization")
    assert sent == ("Basic bWU6cEBzcw==" if "@" in form else None)


def test_the_tunnel_of_a_proxy_has_its_password(
    server: RangeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("https_proxy", "me:p%40ss@127.0.0.1:3128")
    monkeypatch.setenv("no_proxy", "")
    store = open_store("https://far.example/x", 5.0)
    target = urlsplit("https://far.example/x/a")
    connection, path = store._connection(("https", "far.example"), target)
    assert (connection.host, connection.port, path) == ("127.0.0.1", 3128, "/x/a")
    assert connection._tunnel_headers["Proxy-Authorization"] == "Basic bWU6cEBzcw=="


def test_waits_grow_and_obey_the_server() -> None:
    retry = Retry(wait=0.5, longest=10)
    assert [retry.seconds(n, None, 0) for n in (1, 2, 3, 4, 5, 6)] == [0.5, 1, 2, 4, 8, 10]
    assert retry.seconds(1, None, 1) == 0.25
    assert retry.seconds(5000, None, 0) == 10  # 2.0 ** 1024 is no number
    assert retry.seconds(1, 3.0, 0) == 3
    assert retry.seconds(1, 3000.0, 0) == 10
    with pytest.raises(UserError, match="tries and timeout are above 0"):
        Retry(tries=0)


def test_pauses_lie_between_the_tries(server: RangeServer) -> None:
    server.faults = [503, 503, 503]
    pauses: list[float] = []
    with pytest.raises(StorageError):
        read_range(http(server), "a b.tar", 0, 1, Retry(tries=3), "here", pauses.append)
    assert len(pauses) == 2
    assert 0.25 <= pauses[0] <= 0.5 <= pauses[1] <= 1


def test_folders_and_addresses_of_fsspec(tmp_path: Path) -> None:
    import fsspec

    (tmp_path / "a b.tar").write_bytes(DATA)
    fsspec.filesystem("memory").pipe("/shards/a b.tar", DATA)
    for url in (str(tmp_path), f"file://{tmp_path}", "memory://shards", "memory://shards/"):
        store = open_store(url, 5.0)
        assert read(store) == DATA[10:30]
        assert read(store, 5, None) == DATA[5:]
        assert read(pickle.loads(pickle.dumps(store))) == DATA[10:30]
    with pytest.raises(StorageError, match="no such file"):
        read_range(open_store("memory://shards", 5.0), "b", 0, 1, Retry(), "here")
    with pytest.raises(StorageError, match="No such file"):
        read_range(open_store(str(tmp_path), 5.0), "b", 0, 1, Retry(), "here")
    with pytest.raises(UserError, match=r"unknown://x: .*install the package of fsspec"):
        open_store("unknown://x", 5.0)
    with pytest.raises(UserError, match="no such folder of shards; check url"):
        open_store(str(tmp_path / "none"), 5.0)


def test_a_failing_service_of_fsspec_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    from fsspec.implementations.memory import MemoryFileSystem

    answers: list[Any] = [RuntimeError("slow down"), b"ab", b"abc"]

    def cat_file(self: Any, path: str, start: int | None = None, end: int | None = None) -> bytes:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return bytes(answer)

    monkeypatch.setattr(MemoryFileSystem, "cat_file", cat_file)
    store = open_store("memory://x", 5.0)
    assert read(store, 0, 3) == b"abc"
    answers[:] = [RuntimeError("slow down")] * 2
    with pytest.raises(StorageError, match="RuntimeError: slow down, 2 times"):
        read(store, 0, 3, tries=2)
