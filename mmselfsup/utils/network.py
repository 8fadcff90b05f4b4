"""The network interface by which a machine reaches another one."""

import ipaddress
import os
import socket
import struct
from contextlib import suppress

_SIOCGIFADDR = 0x8915  # Linux: the address of an interface


def choose_interface(host: str) -> None:
    """Let gloo listen where the other machines can reach this one: ``GLOO_SOCKET_IFNAME``.

    By default gloo takes the address of the machine's own name, which on many machines is one that
    only the machine itself can reach (127.0.1.1). Nothing is changed where the variable is set or
    the first machine is this one alone.

    Args:
        host: Name or address of the first machine, ``MASTER_ADDR``.
    """
    name = None if "GLOO_SOCKET_IFNAME" in os.environ else interface_to(host)
    if name is not None:
        os.environ["GLOO_SOCKET_IFNAME"] = name


def interface_to(host: str) -> str | None:
    """Return the interface whose address packets to ``host`` have; None for this machine or none.

    Args:
        host: Name or IPv4 address; no packet is sent.
    """
    with suppress(OSError, ImportError, ValueError):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.connect((host, 9))  # chooses the route only
            own = sock.getsockname()[0]
        if ipaddress.ip_address(own).is_loopback:
            return None
        for _, name in socket.if_nameindex():
            if _address_of(name) == own:
                return name
    return None


def _address_of(interface: str) -> str | None:
    """Return the IPv4 address of an interface, None without one."""
    import fcntl  # not on Windows

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock, suppress(OSError):
        request = struct.pack("256s", interface.encode()[:15])
        return socket.inet_ntoa(fcntl.ioctl(sock.fileno(), _SIOCGIFADDR, request)[20:24])
    return None
