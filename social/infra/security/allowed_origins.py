"""The web pages that may use this system, over REST and over sockets alike."""

import time
from collections import OrderedDict
from collections.abc import Iterable
from typing import NamedTuple

from social.infra.observe import logs
from social.infra.security.origins import ANY, LONGEST, OPAQUE, Origin, canonical
from social.infra.security.proxies import Proxies

log = logs.get("origins")

LOGGED_AGAIN_S = 600.0  # before an origin is logged again
LOGGED_EVERY_S = 1.0  # for a log line, whatever clients send
REMEMBERED = 100  # logged origins that are remembered


class RequestOrigin(NamedTuple):
    """The headers that say where a request comes from and where it was sent."""

    origin: str | None  # its Origin header
    peer: str  # the address of the connection
    host: str | None = None
    forwarded_host: str | None = None
    forwarded_proto: str | None = None


class AllowedOrigins:
    """The origins whose pages may use this system: those in the list, and the origin the request was sent to."""

    def __init__(self, listed: Iterable[str] = (ANY,), proxies: Proxies | None = None) -> None:
        self._listed = frozenset(map(canonical, listed))
        self._proxies = proxies or Proxies()
        self._logged: OrderedDict[str, float] = OrderedDict()
        self._log_at = 0.0

    @property
    def any(self) -> bool:
        """Return whether every page may."""
        return ANY in self._listed

    def allow(self, asked: RequestOrigin) -> bool:
        """Return whether a request may come from its page. Clients that are no page send no Origin and always may."""
        if not asked.origin or self.any:
            return True
        if asked.origin == OPAQUE and OPAQUE in self._listed:
            return True
        origin = Origin.parse(asked.origin)
        if origin is not None and (self._lists(origin) or self._is_own(origin, asked)):
            return True
        self._log(asked.origin, origin)
        return False

    def _lists(self, origin: Origin) -> bool:
        return str(origin) in self._listed or origin.on_any_port in self._listed

    def _is_own(self, origin: Origin, asked: RequestOrigin) -> bool:
        """Return whether the page is of the server the request was sent to, also behind trusted proxies."""
        hosts, schemes = [asked.host or ""], list[str]()
        if (asked.forwarded_host or asked.forwarded_proto) and self._proxies.trusts(asked.peer):
            if asked.forwarded_host:  # the Host that a proxy passes on may lack the port, or be its own
                hosts = asked.forwarded_host.split(",")
            schemes = [each.strip().lower() for each in (asked.forwarded_proto or "").split(",")]
        if "https" in schemes and origin.scheme == "http":
            return False  # a page without TLS is another site than the page with it
        return any(origin.is_at(host.strip()) for host in hosts if host.strip())

    def _log(self, said: str, origin: Origin | None) -> None:
        """Log at times which origin was refused, and the setting that allows it."""
        now = time.monotonic()
        if now < self._log_at or now < self._logged.get(said, now):
            return
        self._log_at = now + LOGGED_EVERY_S
        self._logged[said] = now + LOGGED_AGAIN_S
        self._logged.move_to_end(said)
        while len(self._logged) > REMEMBERED:
            self._logged.popitem(last=False)
        word = said if said == OPAQUE else origin and str(origin)
        if word is None:
            log.warning("origin refused: it is not scheme://host[:port]", origin=said[:LONGEST])
        else:
            let_in = f"ORIGINS={','.join([*sorted(self._listed), word])}"
            log.warning("origin refused: if its pages are yours, allow it", origin=said, set=let_in)
