"""The address a request comes from."""

from aiohttp import web

from social.infra.proxies import Proxies

PROXIES = web.AppKey("proxies", Proxies)


def client_ip(raw: web.Request) -> str:
    """By the word of trusted proxies alone."""
    return raw.app[PROXIES].client_ip(raw.remote or "", raw.headers.getall("X-Forwarded-For", ()))
