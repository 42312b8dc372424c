"""Frames of Socket.IO 5 over one websocket (Engine.IO 4), as far as a client of Plaza needs them."""

from collections.abc import Callable
from typing import Any, NamedTuple

from pydantic_core import from_json, to_json

PING, PONG, DISCONNECT = "2", "3", "41"


class Opened(NamedTuple):
    """The connection is open; the server pings, and is gone when nothing comes for `silence_s`."""

    sid: str
    silence_s: float


class Connected(NamedTuple):
    """The server let the client in; an unchanged `pid` says that it resumed where the client was."""

    pid: str


class Refused(NamedTuple):
    """The server did not let the client in; `problem` says why, as REST would."""

    problem: dict[str, Any]


class Event(NamedTuple):
    """An event of the server; events of the person's stream have an offset, hints have none."""

    name: str
    data: Any
    offset: str | None = None


class Acked(NamedTuple):
    """The answer to message number `number`: `{ok: true, data}` or `{ok: false, problem}`."""

    number: int
    answer: dict[str, Any]


class Pinged(NamedTuple):
    """The server asks whether the client is there; the answer is PONG."""


class Ended(NamedTuple):
    """The server ends the connection."""


Loads = Callable[[str], Any]
Packet = Opened | Connected | Refused | Event | Acked | Pinged | Ended


def decode(frame: str, loads: Loads = from_json) -> Packet | None:  # noqa: PLR0911 - a return for each kind of packet
    """Return what a frame says; None for a frame that a client may ignore. Raises ValueError for a broken frame.

    `loads` may be a faster decoder of JSON than the one that comes with pydantic.
    """
    kind = frame[:2]
    if kind == "42":
        name, *rest = loads(frame[2:])
        offset = rest.pop() if rest and isinstance(rest[-1], str) else None
        return Event(name, rest[0] if rest else None, offset)
    if kind == "43":
        number, _, body = frame[2:].partition("[")
        return Acked(int(number), loads("[" + body)[0])
    if frame == PING:
        return Pinged()
    if kind == "40":
        return Connected(loads(frame[2:])["pid"])
    if kind == "44":
        return Refused(loads(frame[2:]).get("data") or {})
    if kind == "41" or frame == "1":
        return Ended()
    if kind[:1] == "0":
        opened = loads(frame[1:])
        return Opened(opened["sid"], (opened["pingInterval"] + opened["pingTimeout"]) / 1000)
    return None


def connect(token: str, pid: str | None = None, offset: str | None = None) -> str:
    """Return the frame that asks to be let in; with `pid` and `offset`, where the client was."""
    auth = {"token": token, "pid": pid, "offset": offset}
    return "40" + to_json({name: value for name, value in auth.items() if value is not None}).decode()


def message(number: int, name: str, body: Any) -> str:
    """Return the frame of a message, whose ack will have its number."""
    return f"42{number}" + to_json([name, body]).decode()
