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
        return ("127.0.0.1" if self.host == "127.0.0.1" else "10.0.0.7", 0)


@pytest.fixture(autouse=True)
def machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(network.socket, "socket", Socket)
    monkeypatch.setattr(network.socket, "if_nameindex", lambda: [(1, "lo"), (2, "eth0"), (3, "x")])
    addresses = {"lo": "127.0.0.1", "eth0": "10.0.0.7"}
    monkeypatch.setattr(network, "_address_of", addresses.get)
    monkeypatch.setenv("GLOO_SOCKET_IFNAME", "")
    monkeypatch.delenv("GLOO_SOCKET_IFNAME")


def test_the_interface_of_the_route() -> None:
    assert interface_to("10.0.0.1") == "eth0"
    choose_interface("10.0.0.1")
    assert os.environ["GLOO_SOCKET_IFNAME"] == "eth0"


def test_a_single_machine_needs_none() -> None:
    assert interface_to("127.0.0.1") is None
    choose_interface("127.0.0.1")
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
    assert network._address_of("none0") is None
