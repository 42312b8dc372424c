"""Ports of 127.0.0.1 for servers that must come back on the same port."""

import random
import socket
import sys
from collections.abc import Sequence

import psutil

# Below the ranges from which systems take ports for outgoing connections (Linux 32768+, macOS 49152+): a server that is
# down for a moment must find its port free when it comes back.
PORTS = range(20_000, 30_000)

_reserved: dict[int, int] = {}  # ports of this process, and the file descriptor that reserves each


def free_ports(count: int, among: Sequence[int] = PORTS) -> list[int]:
    """Return free ports, which no other process is given before this one ends: a server may be down for a while.

    A process that does not ask here may take them meanwhile, so callers start their servers again then.
    """
    picked: list[int] = []
    while len(picked) < count:
        port = random.choice(among)  # noqa: S311 - not a secret
        if port not in picked and is_free(port) and _reserve(port):
            picked.append(port)
    return picked


def _reserve(port: int) -> bool:
    """Reserve a port among the processes that ask `free_ports`; return False where another has reserved it.

    The kernel frees an abstract name, which only Linux has, when the process that bound it ends.
    """
    if port in _reserved or sys.platform != "linux":
        return True
    name = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        name.bind(f"\0plaza-port-{port}")
    except OSError:
        name.close()
        return False
    _reserved[port] = name.detach()
    return True


def is_free(port: int) -> bool:
    """Return whether a server could listen on the port, here or on all addresses of the machine."""
    for address in ("127.0.0.1", "0.0.0.0"):  # noqa: S104 - nothing listens
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((address, port))
            except OSError:
                return False
    return True


def listens(pid: int, port: int) -> bool:
    """Return whether the process `pid` itself listens on the port, and not another that took it first."""
    try:
        connections = psutil.Process(pid).net_connections("tcp")
    except psutil.Error:
        return False
    return any(c.status == psutil.CONN_LISTEN and c.laddr.port == port for c in connections)
