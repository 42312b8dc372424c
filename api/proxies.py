"""What proxies say of a request: the address it comes from, and the path it was sent to."""

from aiohttp import web

from social.infra.process.proxies import Proxies

PROXIES = web.AppKey("proxies", Proxies)


def client_ip(raw: web.Request) -> str:
    """By the word of trusted proxies alone."""
    return raw.app[PROXIES].client_ip(raw.remote or "", raw.headers.getall("X-Forwarded-For", ()))


def prefix(raw: web.Request) -> str:
    """What a proxy took off the path."""
    said = raw.headers.get("X-Forwarded-Prefix", "")
    return raw.app[PROXIES].prefix(raw.remote or "", said.rstrip("/")) if said else ""
