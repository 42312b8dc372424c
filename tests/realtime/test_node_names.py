"""A gateway's name: given, or made from its address."""

import socket

import pytest

from realtime.settings import GatewaySettings


class Probe(socket.socket):
    """A socket of a machine whose default route starts at 10.0.2.7."""

    def connect(self, address: object) -> None:
        """Find the route."""

    def getsockname(self) -> tuple[str, int]:
        """Return where the route starts."""
        return "10.0.2.7", 40_000


class Routeless(socket.socket):
    """A socket of a machine without a route."""

    def connect(self, address: object) -> None:
        """Find no route."""
        raise OSError(101, "Network is unreachable")


def test_a_gateway_is_named_by_its_address_where_it_is_asked_to(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "socket", Probe)
    assert GatewaySettings(node_name="ip").node_name == "ip-10-0-2-7"
    assert GatewaySettings(node_name="realtime-1").node_name == "realtime-1"
    assert GatewaySettings().node_name is None


def test_without_an_address_the_setting_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "socket", Routeless)
    with pytest.raises(ValueError, match="no IPv4 address to be named by: Network is unreachable"):
        GatewaySettings(node_name="ip")
