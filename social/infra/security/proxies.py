"""The address of the client behind proxies: a proxy's headers count only when it is a trusted proxy."""

import re
from collections.abc import Iterable, Sequence
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address

MOST_PROXIES = 16  # in a row: the header may have 8 KB, and a client on a trusted network could fill it

_PREFIX = re.compile(r"(/[A-Za-z0-9._~-]+)*")

Network = IPv4Network | IPv6Network


class Proxies:
    """The trusted proxies, as networks; with none listed, no header is believed."""

    def __init__(self, trusted: Iterable[Network] = (), header: str = "X-Forwarded-For") -> None:
        self._trusted = tuple(trusted)
        self.header = header  # the one in which they give the client's address: a client may write any other

    def client_ip(self, peer: str, forwarded_for: Sequence[str] = ()) -> str:
        """Return the nearest address that is no trusted proxy's; `forwarded_for`: each header of it.

        Each proxy appends the address that it heard from, so the list is read from its end: everything left of the
        first address that is not trusted may have been written by the client, and is ignored with any garbage in it.
        """
        client = _address(peer)
        if client is None:
            return peer
        hops = ",".join(forwarded_for).rsplit(",", MOST_PROXIES)[-MOST_PROXIES:] if forwarded_for else []
        for said in reversed(hops if self._trusted else []):
            before = _address(said) if self._trusts(client) else None
            if before is None:
                break
            client = before
        return client

    def prefix(self, peer: str, said: str) -> str:
        """Return the path prefix under which a trusted proxy publishes this server (X-Forwarded-Prefix), for links."""
        return said if self.trusts(peer) and _PREFIX.fullmatch(said) else ""

    def trusts(self, peer: str) -> bool:
        """Return whether the address of a connection is a trusted proxy's."""
        address = _address(peer)
        return address is not None and self._trusts(address)

    def _trusts(self, address: str) -> bool:
        parsed = ip_address(address)
        return any(parsed in network for network in self._trusted)


def _address(text: str) -> str | None:
    """Return an address without the port that some proxies add; an IPv4 address mapped to IPv6 becomes IPv4."""
    text = text.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(address)
