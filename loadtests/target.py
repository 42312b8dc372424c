"""The hosts that a load may be aimed at: this machine, and a host that is allowed by name."""

import ipaddress
import socket
from urllib.parse import urlsplit


class Refused(Exception):
    """The load is aimed at a host that was not allowed."""


def check(url: str, allowed: str = "") -> None:
    """Raise Refused unless every address of the URL's host is this machine's own, or `allowed` is that host."""
    host = urlsplit(url).hostname
    if not host or urlsplit(url).scheme not in ("http", "https"):
        raise Refused(f"{url!r} is no http:// or https:// URL")
    if host == allowed.lower():
        return
    try:
        found = {each[4][0] for each in socket.getaddrinfo(host, None)}
    except OSError:
        found = set()
    if not found or not all(ipaddress.ip_address(each).is_loopback for each in found):
        raise Refused(f"{host} is not this machine; if you may load it, allow it: ALLOW={host} (--allow {host})")
