"""Who is at the other end of a login: the address it comes from and the device it names."""

from api.http import Request
from social.contracts.people import clean_device
from social.people.activity import Client

LONGEST_USER_AGENT = 200


def client(request: Request, device: str | None = None) -> Client:
    """Where a login comes from: as the client says in its body, else as its User-Agent says."""
    named = device or clean_device(request.raw.headers.get("User-Agent", "")[:LONGEST_USER_AGENT])
    return Client(request.client_ip, named or None)
