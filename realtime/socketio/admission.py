"""The answer to a CONNECT packet, and the report of a socket that has left."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from realtime.engine import Environ


@dataclass(frozen=True, slots=True)
class Admission:
    """The answer of `Server.authorize` to an accepted CONNECT.

    Once the socket is known to be alive there is no await until `connected` has returned: another connection that holds
    `sid` is aborted, CONNECT `{sid, **answer}` is written, rooms entered meanwhile begin to receive, `connected(sid)`
    runs.
    """

    sid: str | None = None  # None: a new sid
    answer: dict[str, Any] = field(default_factory=dict)  # more fields of the CONNECT answer, such as `pid`
    connected: Callable[[str], None] | None = None  # writes missed frames and enters rooms; must not raise
    abandoned: Callable[[], None] | None = None  # called instead when the socket died while it was being authorised


@dataclass(frozen=True, slots=True)
class Departure:
    """The report of a connected socket that has left."""

    sid: str
    eio_sid: str
    namespace: str
    reason: str
    rooms: frozenset[Any]
    session: dict[str, Any]  # of `Server.session`


Authorize = Callable[[str, str, Any, Environ], Awaitable[Admission]]
