"""The client's address: a client cannot choose it, whatever headers it sends."""

from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from social.infra.security.proxies import Proxies

FRONT = Proxies([ip_network("10.0.0.0/8"), ip_network("fd00::/8")])


@pytest.mark.parametrize(
    ("peer", "said", "client"),
    [
        ("203.0.113.7", [], "203.0.113.7"),
        ("203.0.113.7", ["198.51.100.1"], "203.0.113.7"),  # the header of an unknown client
        ("10.0.0.1", [], "10.0.0.1"),
        ("10.0.0.1", ["203.0.113.7"], "203.0.113.7"),
        ("10.0.0.1", ["198.51.100.1, 203.0.113.7"], "203.0.113.7"),  # written by the client itself
        ("10.0.0.1", ["198.51.100.1", "203.0.113.7"], "203.0.113.7"),
        ("10.0.0.1", ["198.51.100.1, 203.0.113.7, 10.2.3.4"], "203.0.113.7"),
        ("10.0.0.1", ["203.0.113.7", "10.2.3.4,10.9.9.9"], "203.0.113.7"),
        ("10.0.0.1", ["10.2.3.4"], "10.2.3.4"),
        ("10.0.0.1", ["unknown"], "10.0.0.1"),
        ("10.0.0.1", ["203.0.113.7, , 10.2.3.4"], "10.2.3.4"),
        ("10.0.0.1", ["203.0.113.7:4711"], "203.0.113.7"),
        ("fd00::1", ["2001:DB8::1"], "2001:db8::1"),
        ("fd00::1", ["[2001:db8::1]:4711"], "2001:db8::1"),
        ("::ffff:10.0.0.1", ["::ffff:203.0.113.7"], "203.0.113.7"),
        ("fe80::1%eth0", ["203.0.113.7"], "fe80::1"),
        ("", ["203.0.113.7"], ""),
    ],
)
def test_the_client_is_the_nearest_address_that_is_no_proxy_of_ours(peer: str, said: list[str], client: str) -> None:
    assert FRONT.client_ip(peer, said) == client


def test_with_no_proxy_listed_nobodys_word_is_taken() -> None:
    for peer in ("127.0.0.1", "10.0.0.1", "::1"):
        assert Proxies().client_ip(peer, ["203.0.113.7"]) == peer


@given(st.text(), st.lists(st.text(max_size=30), max_size=5))
def test_what_a_client_writes_changes_nothing(peer: str, garbage: list[str]) -> None:
    assert FRONT.client_ip("10.0.0.1", [*garbage, "203.0.113.7"]) == "203.0.113.7"
    assert FRONT.client_ip("203.0.113.7", garbage) == "203.0.113.7"
    FRONT.client_ip(peer, garbage)
