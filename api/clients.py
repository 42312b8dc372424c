"""Who is at the other end of a request: the address it comes from and the device it names."""

from aiohttp import web

from api.http import Request
from social.auth import Client
from social.contracts.people import clean_device

LONGEST_USER_AGENT = 200


def client_ip(raw: web.Request) -> str | None:
    """The address a request comes from."""
    return raw.remote


def client(request: Request, device: str | None = None) -> Client:
    """Where a login comes from: as the client says in its body, else as its User-Agent says."""
    named = device or clean_device(request.raw.headers.get("User-Agent", "")[:LONGEST_USER_AGENT])
    return Client(client_ip(request.raw), named or None)
