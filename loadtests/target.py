"""Whom loads may be aimed at: this machine, unless somebody names the host they mean."""

import ipaddress
import socket
from urllib.parse import urlsplit


class Refused(Exception):
    """A load was aimed at somebody who was not named."""


def check(url: str, allowed: str = "") -> None:
    """Raises Refused unless every address of the URL's host is this machine's own, or `allowed` is that host."""
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
        raise Refused(f"{host} is not this machine; if it is yours to load, say so: ALLOW={host} (--allow {host})")
