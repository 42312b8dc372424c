"""The client's address and path of a request, as trusted proxies forward them."""

from aiohttp import web

from social.infra.security.proxies import Proxies

PROXIES = web.AppKey("proxies", Proxies)


def client_ip(raw: web.Request) -> str:
    """Return the address of the client; the header of it counts only from trusted proxies."""
    proxies = raw.app[PROXIES]
    return proxies.client_ip(raw.remote or "", raw.headers.getall(proxies.header, ()))


def prefix(raw: web.Request) -> str:
    """Return the prefix that a trusted proxy removed from the path."""
    said = raw.headers.get("X-Forwarded-Prefix", "")
    return raw.app[PROXIES].prefix(raw.remote or "", said.rstrip("/")) if said else ""
