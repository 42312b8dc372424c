"""Origins of web pages and apps in a canonical form: scheme, host and port, in lower case."""

import re
from functools import lru_cache
from typing import Annotated, NamedTuple
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field
from pydantic_settings import NoDecode

from social.infra.settings import listed

ANY, OPAQUE = "*", "null"  # any page; pages without an origin: sandboxed frames, local files, `data:` URLs
_ANY_PORT = re.compile(r"https?://(localhost|127\.0\.0\.1|\[::1\]):\*", re.IGNORECASE)
LONGEST = 300  # a host name has at most 253 characters
_AS_WEB = {"ws": "http", "wss": "https"}  # some WebSocket clients write these, for instance Swift's
_DEFAULT_PORTS = {"http": 80, "https": 443}
_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://[^/?#@*\\\s,]+", re.IGNORECASE)


class Origin(NamedTuple):
    """The origin of a page (RFC 6454), in lower case and without the scheme's default port.

    `ws` and `wss` become `http` and `https`. Schemes of apps (`capacitor`, `tauri`, `chrome-extension`) stay.
    """

    scheme: str
    host: str
    port: int | None

    @classmethod
    def parse(cls, text: str) -> "Origin | None":
        """Parse an `Origin` header or a setting; return None for anything else, also for a URL with a path."""
        return _parse(text) if len(text) <= LONGEST else None

    def is_at(self, host: str) -> bool:
        """Return whether a page of this origin is on the server with this `Host`, with or without TLS before it."""
        if self.scheme not in _DEFAULT_PORTS:
            return False
        return Origin.parse(f"{self.scheme}://{host}") == self

    @property
    def on_any_port(self) -> str:
        """Return this host with any port, as a list names it: only allowed for names of the local machine."""
        return f"{self._replace(port=None)}:*"

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}" + (f":{self.port}" if self.port is not None else "")


@lru_cache(1_024)
def _parse(text: str) -> Origin | None:
    if not _ORIGIN.fullmatch(text):
        return None
    try:
        url = urlsplit(text)
        host, port = url.hostname or "", url.port
        if not host.isascii():
            host = host.encode("idna").decode()  # as browsers do
    except ValueError:  # an invalid port or address
        return None
    scheme = _AS_WEB.get(url.scheme, url.scheme)
    if not host or scheme == "ftp":
        return None
    return Origin(scheme, host, port if port != _DEFAULT_PORTS.get(scheme) else None)


def canonical(text: str) -> str:
    """Return an origin of a list in canonical form, or `*` or `null`; raises ValueError for anything else.

    Development servers take any free port, so `http://localhost:*` allows all ports of this machine.
    """
    if text in (ANY, OPAQUE):
        return text
    if _ANY_PORT.fullmatch(text):
        return text.lower()
    origin = Origin.parse(text)
    if origin is None:
        raise ValueError(f"{text!r} is no origin, which is scheme://host[:port] without a path, nor null, nor *")
    return str(origin)


Origins = Annotated[  # a setting
    list[Annotated[str, AfterValidator(canonical)]], NoDecode, BeforeValidator(listed), Field(min_length=1)
]
