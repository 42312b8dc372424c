"""The client of a login: its address, and the device it names."""

from api.request import Request
from social.contracts.people import clean_device
from social.people.activity import Client

LONGEST_USER_AGENT = 200


def client(request: Request, device: str | None = None) -> Client:
    """Return address and device of the client; the device as the body names it, else as the User-Agent does."""
    named = device or clean_device(request.raw.headers.get("User-Agent", "")[:LONGEST_USER_AGENT])
    return Client(request.client_ip, named or None)
