"""A network of the campaign's own: a loopback that nobody else is on, where the kernel may drop packets.

It needs root, and nft (Debian's nftables) with its random numbers (CONFIG_NFT_NUMGEN). It ends with its last process.
"""

import ctypes
import fcntl
import os
import socket
import struct
import subprocess
import sys
from pathlib import Path

CLONE_NEWNET = 0x40000000  # sched.h; `os.unshare` comes with Python 3.12
SIOCSIFFLAGS = 0x8914  # netdevice(7): set the flags of an interface
IFF_UP = 1

CHANCE = "numgen random mod 100 < {}"
RULES = """
table ip {table} {{
  chain input {{
    type filter hook input priority 0;
    tcp dport {port} {chance} drop
    tcp sport {port} {chance} drop
  }}
}}
"""


HERE = Path("/proc/self/ns/net")
_own: set[str] = set()  # the network that this process entered


def enter() -> None:
    """Move this process, before it has threads or sockets, to a network of its own, where it may."""
    if sys.platform == "linux" and ctypes.CDLL(None).unshare(CLONE_NEWNET) == 0:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
            fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sH14x", b"lo", IFF_UP))
        _own.add(os.readlink(HERE))


def lacking() -> str:
    """Return what is missing for packets to be dropped, or nothing."""
    try:
        drop(1, 1)
        drop_no_more(1, 1)
    except (OSError, RuntimeError) as error:
        return str(error)
    return ""


def drop(port: int, percent: int) -> None:
    """Drop so many of 100 TCP packets to and from a port, at random.

    Raises RuntimeError where nft refuses it, and in every network that this process shares with others.
    """
    if os.readlink(HERE) not in _own:
        raise RuntimeError("no network of its own may be made")
    chance = CHANCE.format(percent) if percent < 100 else ""
    _nft(RULES.format(table=_table(port, percent), port=port, chance=chance))


def drop_no_more(port: int, percent: int) -> None:
    """Let these packets pass again."""
    _nft(f"delete table ip {_table(port, percent)}")


def _table(port: int, percent: int) -> str:
    return f"drop_{percent}_of_{port}"


def _nft(script: str) -> None:
    ran = subprocess.run(["nft", "-f", "-"], input=script, capture_output=True, text=True, check=False)
    if ran.returncode:
        raise RuntimeError(ran.stderr.strip())
