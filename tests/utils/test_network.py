"""The interface to another machine, on a machine whose network is known."""

from __future__ import annotations

import os
import socket
from typing import Any

import pytest

from mmselfsup.utils import network
from mmselfsup.utils.network import choose_interface, interface_to


class Socket(socket.socket):
    """A socket of a machine that reaches everything but itself by 10.0.0.7."""

    host = ""

    def connect(self, address: Any) -> None:
        self.host = address[0]

    def getsockname(self) -> Any:
        return ("127.0.0.1" if self.host in ("127.0.0.1", "localhost", "node0") else "10.0.0.7", 0)


@pytest.fixture(autouse=True)
def machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(network.socket, "socket", Socket)
    monkeypatch.setattr(network.socket, "if_nameindex", lambda: [(1, "lo"), (2, "eth0"), (3, "x")])
    addresses = {"lo": "127.0.0.1", "eth0": "10.0.0.7"}
    monkeypatch.setattr(network, "_address_of", addresses.get)
    monkeypatch.setenv("GLOO_SOCKET_IFNAME", "")
    monkeypatch.delenv("GLOO_SOCKET_IFNAME")
    names = ("LOCAL_WORLD_SIZE", "OMPI_COMM_WORLD_LOCAL_SIZE", "SLURM_STEP_NUM_NODES")
    for name in names:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("WORLD_SIZE", "4")
    hosts = {"node0": "127.0.1.1", "localhost": "127.0.0.1", "node1": "10.0.0.8"}
    monkeypatch.setattr(network.socket, "gethostbyname", hosts.__getitem__)


def test_the_interface_of_the_route() -> None:
    assert interface_to("10.0.0.1") == "eth0"
    choose_interface("10.0.0.1")
    assert os.environ["GLOO_SOCKET_IFNAME"] == "eth0"


def test_a_single_machine_needs_none() -> None:
    assert interface_to("127.0.0.1") is None
    choose_interface("127.0.0.1")
    assert "GLOO_SOCKET_IFNAME" not in os.environ


def test_the_first_machine_whose_own_name_is_a_loopback_address() -> None:
    assert interface_to("node0") is None
    choose_interface("node0")
    assert os.environ["GLOO_SOCKET_IFNAME"] == "eth0", "the interface of the default route"


@pytest.mark.parametrize(
    ("interfaces", "chosen"),
    [
        (dict(lo=0x49, docker0=0x43, down=0x2, idle=0x3, bare=0x43, cable=0x43), "cable"),
        (dict(lo=0x49, docker0=0x43, down=0x2), "docker0"),
        (dict(lo=0x49), None),
    ],
)
def test_without_a_default_route_an_interface_that_is_up(
    monkeypatch: pytest.MonkeyPatch, interfaces: dict[str, int], chosen: str | None
) -> None:
    def connect(self: Socket, address: Any) -> None:
        if address[0] != "node0":
            raise OSError("Network is unreachable")
        self.host = address[0]

    monkeypatch.setattr(Socket, "connect", connect)
    monkeypatch.setattr(network.socket, "if_nameindex", lambda: list(enumerate(interfaces)))
    monkeypatch.setattr(network, "_flags_of", interfaces.get)
    monkeypatch.setattr(network, "_address_of", lambda name: None if name == "bare" else "10.0.0.7")
    choose_interface("node0")
    assert os.environ.get("GLOO_SOCKET_IFNAME") == chosen


@pytest.mark.parametrize(
    ("host", "variables"),
    [
        ("localhost", {}),
        ("127.0.1.1", {}),
        ("node0", {"LOCAL_WORLD_SIZE": "4"}),
        ("node0", {"OMPI_COMM_WORLD_LOCAL_SIZE": "4"}),
        ("node0", {"SLURM_STEP_NUM_NODES": "1"}),
    ],
)
def test_one_machine_stays_within_itself(
    monkeypatch: pytest.MonkeyPatch, host: str, variables: dict[str, str]
) -> None:
    monkeypatch.setattr(Socket, "getsockname", lambda self: ("127.0.0.1", 0))
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(network, "_first_interface", lambda: "eth0")
    choose_interface(host)
    assert "GLOO_SOCKET_IFNAME" not in os.environ


def test_the_users_choice_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GLOO_SOCKET_IFNAME", "ib0")
    choose_interface("10.0.0.1")
    assert os.environ["GLOO_SOCKET_IFNAME"] == "ib0"


def test_an_unknown_machine_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(self: Socket, address: Any) -> None:
        raise socket.gaierror("unknown")

    monkeypatch.setattr(Socket, "connect", fail)
    assert interface_to("nowhere") is None


def test_the_address_of_a_real_interface(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    names = [name for _, name in socket.if_nameindex()]
    if "lo" in names:
        assert network._address_of("lo") == "127.0.0.1"
        assert network._flags_of("lo") & 0x9 == 0x9, "up, a loopback"
    assert network._address_of("none0") is None
    assert network._flags_of("none0") == 0
