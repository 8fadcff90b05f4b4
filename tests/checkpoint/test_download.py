"""Downloads: each address has its own file, which is whole, checked, and fetched once."""

from __future__ import annotations

import hashlib
import io
import multiprocessing
import os
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import torch

from mmselfsup.core.checkpoint import load, load_state
from mmselfsup.core.checkpoint.load import hash_in_name
from mmselfsup.utils.errors import UserError


def checkpoint(value: float) -> bytes:
    buffer = io.BytesIO()
    torch.save(dict(w=torch.tensor(value)), buffer)
    return buffer.getvalue()


class Server:
    """Files by path, served on this machine; ``asked`` lists the requests."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.asked: list[str] = []
        self.cut = False  # close the connection half way

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        self.asked.append(request.path)
        data = self.files.get(request.path.partition("?")[0])
        if data is None:
            request.send_error(404)
            return
        request.send_response(200)
        request.send_header("Content-Length", str(len(data)))
        request.end_headers()
        request.wfile.write(data[: len(data) // 2] if self.cut else data)


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    files = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            files.answer(self)

        def log_message(self, *args: Any) -> None:
            pass

    web = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=web.serve_forever, args=(0.01,), daemon=True).start()
    files.url = f"http://127.0.0.1:{web.server_port}"  # type: ignore[attr-defined]
    monkeypatch.setattr(load.torch.hub, "get_dir", lambda: str(tmp_path))
    monkeypatch.setenv("MMSELFSUP_ALLOW_HTTP", "1")
    yield files
    web.shutdown()
    web.server_close()


def kept(tmp_path: Path) -> list[str]:
    """The downloaded files, and what else lies there but locks."""
    names = os.listdir(tmp_path / "checkpoints")
    return sorted(name for name in names if not name.endswith(".lock"))


def value(url: str) -> float:
    return float(load_state(url)["w"])


def test_the_first_download_of_a_machine_makes_the_folders(
    server: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(load.torch.hub, "get_dir", lambda: str(tmp_path / "cache" / "hub"))
    server.files["/a.pth"] = checkpoint(1)
    assert value(f"{server.url}/a.pth") == 1
    assert len(kept(tmp_path / "cache" / "hub")) == 1


def test_each_address_is_fetched_once_and_has_its_own_file(server: Any, tmp_path: Path) -> None:
    for run in (1, 2):
        server.files[f"/run{run}/latest.pth"] = checkpoint(run)
    for _ in range(2):
        assert [value(f"{server.url}/run{run}/latest.pth") for run in (1, 2)] == [1, 2]
    assert value(f"{server.url}/run1/latest.pth?raw=1") == 1
    assert len(server.asked) == 3
    assert all(name.endswith("-latest.pth") for name in kept(tmp_path))


def test_the_hash_in_a_name_is_checked(server: Any, tmp_path: Path) -> None:
    good = checkpoint(1)
    name = f"net-{hashlib.sha256(good).hexdigest()[:8]}.pth"
    server.files.update({f"/a/{name}": b"other weights", f"/b/{name}": good})
    with pytest.raises(UserError, match=r"is not what its name says .* changed on the server"):
        load_state(f"{server.url}/a/{name}")
    assert kept(tmp_path) == []
    assert value(f"{server.url}/b/{name}") == 1
    assert kept(tmp_path) == [name]  # as torch names it: one content, whatever the address
    (tmp_path / "checkpoints" / name).write_bytes(checkpoint(2))
    with pytest.raises(UserError, match=r"net-.*\.pth is not what its name says .* remove it"):
        load_state(f"{server.url}/b/{name}")


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("resnet50-0676ba61.pth", "0676ba61"),
        ("x_20210831-ea4938fc.pth", "ea4938fc"),
        ("net-deadbeef01.pth.tar", "deadbeef01"),
        ("net-20220225.pth", None),  # a date
        ("latest.pth", None),
        ("net-abc.pth", None),
        ("net-0676ba61-b.pth", None),
    ],
)
def test_names_with_a_hash(name: str, found: str | None) -> None:
    assert hash_in_name(name) == found


def test_a_broken_connection_leaves_nothing(server: Any, tmp_path: Path) -> None:
    server.files["/net.pth"], server.cut = checkpoint(1), True
    with pytest.raises(UserError, match=r"can't download .*net\.pth \(the connection broke after"):
        load_state(f"{server.url}/net.pth")
    assert kept(tmp_path) == []
    server.cut = False
    assert value(f"{server.url}/net.pth") == 1
    with pytest.raises(UserError, match=r"can't download .*404.*without a network, put the file"):
        load_state(f"{server.url}/missing.pth")


def test_what_a_killed_download_left_is_removed(server: Any, tmp_path: Path) -> None:
    server.files["/net.pth"] = checkpoint(1)
    assert value(f"{server.url}/net.pth") == 1
    (whole,) = (tmp_path / "checkpoints").glob("*-net.pth")
    half = whole.rename(whole.with_name(f".{whole.name}.abcd1234"))
    half.write_bytes(b"half")
    (whole.parent / ".other.pth.abcd1234").touch()  # of another download
    assert value(f"{server.url}/net.pth") == 1
    assert kept(tmp_path) == [".other.pth.abcd1234", whole.name]


def test_plain_http_needs_to_be_allowed(server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    server.files["/net.pth"] = checkpoint(1)
    for text in ("", "0"):
        monkeypatch.setenv("MMSELFSUP_ALLOW_HTTP", text)
        with pytest.raises(UserError, match=r"is not encrypted.* or set MMSELFSUP_ALLOW_HTTP=1"):
            load_state(f"{server.url}/net.pth")
    assert server.asked == []


@pytest.mark.parametrize("address", ["https://", "https://host", "http://host/", "https:///a.pth"])
def test_addresses_of_no_file(server: Any, address: str) -> None:
    with pytest.raises(UserError, match="names no file"):
        load_state(address)


def _load(url: str, folder: str, values: Any) -> None:
    load.torch.hub.get_dir = lambda: folder  # type: ignore[assignment]
    values.put(value(url))


def test_processes_share_a_download(server: Any, tmp_path: Path) -> None:
    """Without a process group, as before the ranks of a training have met."""
    server.files["/net.pth"] = checkpoint(3)
    context = multiprocessing.get_context("fork")
    values = context.Queue()
    arguments = (f"{server.url}/net.pth", str(tmp_path), values)
    processes = [context.Process(target=_load, args=arguments) for _ in range(3)]
    for process in processes:
        process.start()
    assert [values.get(timeout=60) for _ in processes] == [3, 3, 3]
    for process in processes:
        process.join()
    assert server.asked == ["/net.pth"]
