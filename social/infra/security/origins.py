"""Origins of web pages and apps in one form: scheme, host and port, in lower case."""

import re
from functools import lru_cache
from typing import Annotated, NamedTuple
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field
from pydantic_settings import NoDecode

from social.infra.settings import listed

ANY, OPAQUE = "*", "null"  # every page; pages without an origin: sandboxed frames, local files, `data:` URLs
_ANY_PORT = re.compile(r"https?://(localhost|127\.0\.0\.1|\[::1\]):\*", re.IGNORECASE)
LONGEST = 300  # a host name has at most 253 characters
_AS_WEB = {"ws": "http", "wss": "https"}  # what some clients of websockets write, Swift's for one
_DEFAULT_PORTS = {"http": 80, "https": 443}
_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://[^/?#@*\\\s,]+", re.IGNORECASE)


class Origin(NamedTuple):
    """Where a page comes from (RFC 6454), in lower case and without the scheme's default port.

    `ws` and `wss` are `http` and `https`. Schemes of apps (`capacitor`, `tauri`, `chrome-extension`) stay.
    """

    scheme: str
    host: str
    port: int | None

    @classmethod
    def parse(cls, text: str) -> "Origin | None":
        """Read an `Origin` header or a setting; None for anything else, a URL with a path too."""
        return _parse(text) if len(text) <= LONGEST else None

    def is_at(self, host: str) -> bool:
        """Whether this is the page of a server whose `Host` header says `host`, with or without TLS in front of it."""
        if self.scheme not in _DEFAULT_PORTS:
            return False
        return Origin.parse(f"{self.scheme}://{host}") == self

    @property
    def on_any_port(self) -> str:
        """How a list names this host with any port, which only the machine's own names may have."""
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
            host = host.encode("idna").decode()  # as browsers write it
    except ValueError:  # a port or an address that is none
        return None
    scheme = _AS_WEB.get(url.scheme, url.scheme)
    if not host or scheme == "ftp":
        return None
    return Origin(scheme, host, port if port != _DEFAULT_PORTS.get(scheme) else None)


def canonical(text: str) -> str:
    """One origin of a list in its one form, or a word (`*`, `null`); raises ValueError for anything else.

    Development servers take whichever port is free, so `http://localhost:*` is any of this machine's.
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
