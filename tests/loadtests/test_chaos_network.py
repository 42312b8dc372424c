"""The network of a campaign: packets are dropped in it, and nowhere else."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import require

from devtools.cluster.server import Server
from loadtests.chaos import network

ROOT = Path(__file__).parents[2]
ASKS = """
import socket
from loadtests.chaos import network

network.enter()
print(network.lacking())
with socket.create_server(("127.0.0.1", 0)) as server:
    port = server.getsockname()[1]

    def reached():
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=0.3):
                return True
        except TimeoutError:
            return False

    print(reached())
    network.drop(port, 100)
    network.drop(port, 20)
    print(reached())
    network.drop_no_more(port, 100)
    network.drop_no_more(port, 20)
    print(reached())
"""


class Nft(Server):
    """The program that writes the kernel's rules; it is no server."""

    @classmethod
    def missing(cls) -> str | None:
        return None if shutil.which("nft") else "nft is not installed"


def test_a_port_of_the_own_network_is_not_reached_while_its_packets_are_dropped() -> None:
    require(Nft)
    ran = subprocess.run([sys.executable, "-c", ASKS], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True)
    lacking, *reached = ran.stdout.splitlines()
    if lacking:
        pytest.skip(lacking)
    assert reached == ["True", "False", "True"]


def test_packets_of_a_network_that_others_share_are_never_dropped() -> None:
    with pytest.raises(RuntimeError, match="of its own"):
        network.drop(1, 1)
    assert network.lacking()
