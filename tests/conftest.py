"""What holds for every test: few threads, fixed seeds, and no network."""

import ipaddress
import logging
import os
import random
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

# Before torch and its like are imported; child processes of a test inherit them.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("MKL_NUM_THREADS", "1")
os.environ.setdefault("MPLBACKEND", "Agg")
# gloo otherwise looks the machine's own name up, which need not resolve.
os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
# A download in a child process meets a closed door instead of waiting for a time-out.
for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
    os.environ[name] = "http://127.0.0.1:9"
for name in ("no_proxy", "NO_PROXY"):
    os.environ[name] = "localhost,127.0.0.1,::1"

import numpy as np  # noqa: E402
import pytest  # noqa: E402
import torch  # noqa: E402

torch.set_num_threads(1)

SEED = 0


class NetworkUsed(RuntimeError):
    """A test tried to reach another machine."""


def is_local(address: object) -> bool:
    """Return whether a socket address stays on this machine.

    Args:
        address: What ``socket.connect`` takes: ``(host, port, ...)`` or the path of a Unix socket.
    """
    if not isinstance(address, tuple):
        return True
    host = str(address[0]).partition("%")[0]
    if host in ("", "localhost", socket.gethostname()):
        return True
    try:
        ip = ipaddress.ip_address(host)
    except ValueError:
        return False
    return ip.is_loopback or ip.is_unspecified


def guarded(connect: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap ``socket.socket.connect`` or ``connect_ex`` so that only local addresses pass."""

    def connect_locally(self: socket.socket, address: Any) -> Any:
        if not is_local(address):
            raise NetworkUsed(f"tests must not use the network, this one connects to {address!r}")
        return connect(self, address)

    return connect_locally


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a test fail where it connects to another machine."""
    monkeypatch.setattr(socket.socket, "connect", guarded(socket.socket.connect))
    monkeypatch.setattr(socket.socket, "connect_ex", guarded(socket.socket.connect_ex))


@pytest.fixture(autouse=True)
def fixed_seed() -> None:
    """Start every test from the same random state, whatever ran before it."""
    random.seed(SEED)
    np.random.seed(SEED)
    torch.manual_seed(SEED)


@pytest.fixture(autouse=True)
def level_of_the_log() -> Iterator[None]:
    """Give the logger of the package its level back: a config of a test may have set another."""
    logger = logging.getLogger("mmselfsup")
    level, disabled, propagate = logger.level, logger.disabled, logger.propagate
    yield
    logger.setLevel(level)
    logger.disabled = disabled
    logger.propagate = propagate  # a command line has its own handlers; pytest's are the root's


@pytest.fixture
def tmp_workdir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a fresh folder that is also the current one, so that relative outputs land in it."""
    workdir = tmp_path / "work_dir"
    workdir.mkdir()
    monkeypatch.chdir(workdir)
    return workdir


@pytest.fixture
def bfloat16(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let this processor pass for one with bfloat16, in which ``fp16`` then computes."""
    monkeypatch.setattr("torch.cpu._is_avx512_bf16_supported", lambda: True, raising=False)
