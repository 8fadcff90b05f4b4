"""An HTTP server on the loopback that gives ranges of files, and misbehaves when told to.

To try shards from a server on one machine: python tests/datasets/range_server.py FOLDER
"""

from __future__ import annotations

import sys
import threading
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote


class RangeServer:
    """The server.

    Args:
        folder: Its files.
        port: Its port; 0 for any that is free.

    Attributes:
        faults: What goes wrong with the next requests, one after the other: a status, ``"cut"``
            (the answer ends in the middle), ``"wrong"`` (other bytes), ``"never"`` (no answer),
            ``"whole"`` (200 with the whole file), ``"away"`` (the connection is closed),
            ``("move", address)``, or ``"other"`` (another range).
        tagged: Whether answers have the ``ETag`` of the file.
        sized: Whether answers say how long the file is.
        requests: Path and headers of each request.
        connections: How many connections were opened.
    """

    def __init__(self, folder: Path, port: int = 0) -> None:
        self.folder = folder
        self.faults: list[Any] = []
        self.tagged, self.sized = False, True
        self.requests: list[tuple[str, dict[str, str]]] = []
        self.connections = 0
        self.released = threading.Event()
        self.server = ThreadingHTTPServer(("127.0.0.1", port), _handler(self))
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"


def _handler(state: RangeServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def setup(self) -> None:
            state.connections += 1
            super().setup()

        def log_message(self, *args: Any) -> None:
            pass

        def do_GET(self) -> None:
            state.requests.append((self.path, dict(self.headers)))
            fault = state.faults.pop(0) if state.faults else None
            if fault == "never":
                state.released.wait(30)
            if fault in ("never", "away"):
                self.close_connection = True
                return
            if isinstance(fault, int):
                self.answer(fault, {"Retry-After": "0"}, b"busy")
                return
            if isinstance(fault, tuple):
                self.answer(302, {"Location": fault[1]}, b"")
                return
            path = state.folder / unquote(self.path.partition("?")[0]).rpartition("/")[2]
            if not path.is_file():
                self.answer(404, {}, b"gone")
                return
            self.give(path.read_bytes(), fault)

        def give(self, data: bytes, fault: Any) -> None:
            wanted = self.headers.get("Range")
            if wanted is None or fault == "whole":
                self.answer(200, {}, data)
                return
            first, _, last = wanted.removeprefix("bytes=").partition("-")
            begin, end = int(first), int(last) + 1 if last else len(data)
            if begin >= len(data):
                self.answer(416, {}, b"")
                return
            part = data[begin:end]
            if fault == "wrong":
                part = bytes(len(part))
            shown = begin + 1 if fault == "other" else begin
            size = len(data) if state.sized else "*"
            headers = {"Content-Range": f"bytes {shown}-{begin + len(part) - 1}/{size}"}
            if state.tagged:
                headers["ETag"] = f'"{zlib.crc32(data):08x}"'
            self.answer(206, headers, part, cut=fault == "cut")

        def answer(
            self, status: int, headers: dict[str, str], data: bytes, cut: bool = False
        ) -> None:
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(data))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(data[: len(data) // 2] if cut else data)
            self.close_connection = self.close_connection or cut

    return Handler


@contextmanager
def serving(folder: Path) -> Iterator[RangeServer]:
    """Serve a folder inside the block."""
    state = RangeServer(folder)
    thread = threading.Thread(target=state.server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield state
    finally:
        state.released.set()
        state.server.shutdown()
        state.server.server_close()
        thread.join()


if __name__ == "__main__":
    RangeServer(Path(sys.argv[1]), 8123).server.serve_forever()
