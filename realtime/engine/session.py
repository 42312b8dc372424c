"""Types shared by the core of the engine and its transports: requests, websockets, sessions, options."""

import json
import re
import sys
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, Protocol
from urllib.parse import parse_qsl

from realtime.limits import Bucket

Work = Coroutine[Any, Any, object]
Environ = dict[str, str]

UNKNOWN_TRANSPORT, UNKNOWN_SID, BAD_METHOD, BAD_REQUEST, FORBIDDEN, BAD_VERSION = range(6)
_REFUSALS = (
    "Transport unknown",
    "Session ID unknown",
    "Bad handshake method",
    "Bad request",
    "Forbidden",
    "Unsupported protocol version",
)

BASE64 = "b64=1"  # in the query of clients that want binary packets as text on a websocket too
_VERSIONS = ("13", "8")  # of the websocket protocol, as the reference server takes them
_KEY = re.compile("[+/0-9A-Za-z]{22}==")
MOST_KEPT = 512  # characters of a header, for as long as its session lives: thousands may wait for a login


class Refused(Exception):
    """A request that is turned away, with the reference server's code and message."""

    def __init__(self, code: int, status: int = 400, message: str | None = None) -> None:
        super().__init__(message or _REFUSALS[code])
        self.code = code
        self.status = status

    def body(self) -> bytes:
        """Return the JSON of the answer."""
        return json.dumps({"code": self.code, "message": str(self)}, separators=(",", ":")).encode()


def peer(remote: str, _forwarded_for: str | None) -> str:
    """Return the origin that a connection counts for where no proxies are known: its address."""
    return remote


@dataclass(frozen=True, slots=True)
class Options:
    """The engine's limits and times."""

    path: str = "/socket.io/"
    ping_interval_s: float = 25.0
    ping_timeout_s: float = 20.0
    max_payload_bytes: int = 65_536  # one message, and one polling request
    max_buffered_bytes: int = 262_144  # unread by a slow client, and unhandled from a fast one
    packets_per_s: float = 200.0  # of one connection, of any kind, in the long run; a client that sends more is cut off
    packets_burst: int = 2_000  # and at once
    request_timeout_s: float = 10.0  # for a connection to send its request, and for the body of a request
    upgrade_timeout_s: float = 10.0
    settle_timeout_s: float | None = 10.0  # a session that is not settled (see Engine.settle) by then is closed
    max_unsettled: int | None = None  # unsettled sessions that there may be, the oldest goes; None: any number
    max_unsettled_of_one: int | None = None  # of these, from one origin
    origin: Callable[[str, str | None], str] = peer  # of a connection, by its address and the header of it
    client_ip_header: str = "X-Forwarded-For"  # in which proxies give the client's address
    linger_s: float = 10.0  # how long an ended session's last packets or unfinished messages are kept
    node: str | None = None  # named in every sid, `<node>.<secret>`, so that a load balancer finds the way back
    allow: "Callable[[Request], bool] | None" = None  # whether a page may use the engine, by its Origin; None: any


class Handler(Protocol):
    """Receiver of the engine's events. All three methods are called inside the event loop and must not block."""

    def opened(self, sid: str, environ: Environ) -> None:
        """Handle a new session; its open packet is written after this returns."""

    def received(self, sid: str, data: str | bytes) -> Work | None:
        """Handle a message. The returned work runs in order, one at a time per session. Raising closes the session."""

    def closed(self, sid: str, reason: str) -> None:
        """Handle the end of a session; called once per session."""


class Wire(ABC):
    """An open websocket. After `close`, `abort` or the peer's close nothing may be called any more."""

    __slots__ = ("session",)

    def __init__(self) -> None:
        self.session: Session | None = None

    @abstractmethod
    def send(self, frame: bytes, binary: bool) -> bool:
        """Write one message now; return False when it was dropped."""

    @abstractmethod
    def subscribe(self, topic: bytes) -> None: ...

    @abstractmethod
    def unsubscribe(self, topic: bytes) -> None: ...

    @abstractmethod
    def close(self, code: int = 1000) -> None:
        """Send a close frame behind what was written."""

    @abstractmethod
    def abort(self) -> None:
        """Drop the connection at once."""

    @abstractmethod
    def buffered(self) -> int:
        """Return the bytes that were written but not yet taken by the kernel."""


@dataclass(frozen=True, slots=True)
class Request:
    """The parts of an HTTP request the engine looks at."""

    method: str
    path: str
    query: dict[str, str]
    remote: str
    origin: str | None = None
    host: str | None = None
    forwarded_host: str | None = None
    forwarded_proto: str | None = None
    user_agent: str | None = None
    forwarded_for: str | None = None
    content_type: str = ""
    content_length: int = 0
    content_encoding: str = ""
    headers_wanted: str | None = None  # Access-Control-Request-Headers
    closes: bool = False  # the connection is to end with the answer
    is_handshake: bool = False  # its headers are a complete websocket handshake

    def environ(self) -> Environ:
        """Return the part of the request that the session keeps: small, and shared between equal clients."""
        kept = {
            "REMOTE_ADDR": self.remote,
            "HTTP_ORIGIN": self.origin,
            "HTTP_USER_AGENT": self.user_agent,
            "HTTP_X_FORWARDED_FOR": self.forwarded_for
            and self.forwarded_for[-MOST_KEPT:],  # the entries of proxies are last
        }
        if self.query.get("b64"):
            kept["QUERY_STRING"] = BASE64
        return {name: sys.intern(value[:MOST_KEPT]) for name, value in kept.items() if value is not None}


def says_close(connection: str | None) -> bool:
    """Return whether a Connection header asks for the end of the connection."""
    return connection is not None and "close" in _words(connection)


def is_handshake(upgrade: str | None, connection: str | None, version: str | None, key: str | None) -> bool:
    """Return whether these headers of a request are a websocket handshake."""
    if upgrade is None or upgrade.lower() != "websocket" or "upgrade" not in _words(connection or ""):
        return False
    return version in _VERSIONS and key is not None and _KEY.fullmatch(key) is not None


def first_offer(subprotocols: str | None) -> str:
    """Return the subprotocol to answer with: a browser that offers some and is answered none gives up."""
    return (subprotocols or "").split(",")[0].strip()


def _words(header: str) -> list[str]:
    return [word.strip() for word in header.lower().split(",")]


def parse_query(query: str) -> dict[str, str]:
    """Return the last value of each parameter, as the reference server takes it."""
    return dict(parse_qsl(query, keep_blank_values=True))


class Exchange(ABC):
    """An HTTP request that waits for its answer; a second answer is ignored."""

    __slots__ = ("done", "request", "session")

    def __init__(self, request: Request) -> None:
        self.request = request
        self.session: Session | None = None
        self.done = False

    def reply(self, status: int, body: bytes = b"", content_type: str = "text/plain; charset=UTF-8") -> None:
        """Answer the request, unless it was answered or the client has left."""
        if not self.done:
            self.done = True
            self.write(status, body, content_type)

    @abstractmethod
    def write(self, status: int, body: bytes, content_type: str) -> None:
        """Put the answer on the wire."""


@dataclass(slots=True)
class Polling:
    """State of a session that it has only while its transport is long polling."""

    queue: deque[bytes] = field(default_factory=deque)
    queued_bytes: int = 0
    poll: Exchange | None = None  # the held GET
    post: Exchange | None = None  # the POST being read
    probe: Wire | None = None  # the websocket that wants to take over
    probed: bool = False  # it has proved itself: polls are no longer held
    flushing: bool = False
    topics: set[str] = field(default_factory=set)


class Backlog:
    """A client's messages that wait while an earlier message is handled; exists only during that."""

    __slots__ = ("size", "works")

    def __init__(self) -> None:
        self.works: deque[tuple[Work, int]] = deque()
        self.size = 0

    def push(self, work: Work, size: int) -> None:
        self.works.append((work, size))
        self.size += size

    def pop(self) -> Work:
        work, size = self.works.popleft()
        self.size -= size
        return work

    def drop(self) -> None:
        """Drop all messages that are not being handled yet."""
        while self.works:
            self.pop().close()


class Session:
    """An Engine.IO session: one client."""

    __slots__ = (
        "allowance",
        "backlog",
        "base64",
        "closed",
        "finished",
        "origin",
        "polling",
        "reason",
        "seen",
        "settled",
        "sid",
        "slot",
        "store",
        "wire",
    )

    def __init__(self, sid: str, allowance: Bucket, origin: str = "") -> None:
        self.sid = sid
        self.origin = origin  # by which its limits are shared, such as its address
        self.allowance = allowance
        self.base64 = False  # binary packets go out as text on a websocket too
        self.wire: Wire | None = None
        self.polling: Polling | None = None
        self.backlog: Backlog | None = None
        self.reason: str | None = None  # why it ended, reported once the backlog is done
        self.store: dict[str, Any] | None = None
        self.closed = False  # its transport is detached
        self.finished = False  # its end was reported to the handler
        self.settled = 0  # how many Socket.IO namespaces it has joined or is joining
        self.seen = 0
        self.slot = -1
