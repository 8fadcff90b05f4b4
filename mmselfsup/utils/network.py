"""The network interface by which a machine reaches another one."""

import ipaddress
import os
import socket
import struct
from contextlib import suppress

_SIOCGIFFLAGS = 0x8913  # Linux: the flags of an interface
_SIOCGIFADDR = 0x8915  # Linux: the address of an interface
_UP, _LOOPBACK, _RUNNING = 0x1, 0x8, 0x40
#: An address of no machine (RFC 5737): packets to it would take the default route.
_ELSEWHERE = "192.0.2.1"
#: Beginnings of the names of networks inside a machine, for its containers and virtual machines.
_INSIDE = ("docker", "podman", "br-", "cni", "flannel", "cali", "virbr", "lxc", "lxd", "veth")


def choose_interface(host: str) -> None:
    """Let gloo listen where the other machines can reach this one: ``GLOO_SOCKET_IFNAME``.

    By default gloo takes the address of the machine's own name, which on many machines is one that
    only the machine itself can reach (127.0.1.1). On the first machine ``host`` may be this very
    name: then the interface of the default route is taken, else the first one that is up. Nothing
    is changed where the variable is set, ``host`` is ``localhost`` or such an address, or all
    processes are known to be on one machine.

    Args:
        host: Name or address of the first machine, ``MASTER_ADDR``.
    """
    if "GLOO_SOCKET_IFNAME" in os.environ:
        return
    name = interface_to(host)
    if name is None and _is_own_name(host) and not _one_machine():
        name = interface_to(_ELSEWHERE) or _first_interface()
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


def _is_own_name(host: str) -> bool:
    """Return whether ``host`` is a name that only this machine resolves to a loopback address."""
    if host.partition(".")[0] == "localhost":
        return False
    with suppress(ValueError):
        ipaddress.ip_address(host)
        return False
    with suppress(OSError, UnicodeError):
        return ipaddress.ip_address(socket.gethostbyname(host)).is_loopback
    return False


def _one_machine() -> bool:
    """Return whether the launcher has said that no process is on another machine."""
    env = os.environ
    size = env.get("WORLD_SIZE", "")
    local = (env.get("LOCAL_WORLD_SIZE"), env.get("OMPI_COMM_WORLD_LOCAL_SIZE"))
    return size in local or env.get("SLURM_STEP_NUM_NODES") == "1"


def _first_interface() -> str | None:
    """Return an interface that is up and has an IPv4 address, networks inside the machine last."""
    with suppress(OSError, ImportError):
        names = [name for _, name in socket.if_nameindex()]
        for name in sorted(names, key=lambda name: name.startswith(_INSIDE)):
            flags = _flags_of(name)
            if flags & _UP and flags & _RUNNING and not flags & _LOOPBACK and _address_of(name):
                return name
    return None


def _flags_of(interface: str) -> int:
    """Return the flags of an interface, 0 without one."""
    answer = _ask(interface, _SIOCGIFFLAGS)
    return int(struct.unpack_from("H", answer, 16)[0]) if answer else 0


def _address_of(interface: str) -> str | None:
    """Return the IPv4 address of an interface, None without one."""
    answer = _ask(interface, _SIOCGIFADDR)
    return socket.inet_ntoa(answer[20:24]) if answer else None


def _ask(interface: str, request: int) -> bytes | None:
    """Return the kernel's answer (struct ifreq) about an interface, None without one."""
    import fcntl  # not on Windows

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock, suppress(OSError):
        ifreq = struct.pack("256s", interface.encode()[:15])
        return fcntl.ioctl(sock.fileno(), request, ifreq)
    return None
