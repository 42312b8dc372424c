"""The sessions that ended in the last minutes, in every process: polled from the store, so Redis is not needed.

A session ends by itself, or with all others of its account by a mark on the account. Both are stamped and queried by
the store's clock, so that no other clock has to be right.
"""

import asyncio
import time
from collections.abc import Callable
from typing import NamedTuple, Protocol

from social.contracts.auth import SessionEnd
from social.contracts.problems import SessionRevoked, Unavailable
from social.infra.observe import logs, metrics
from social.infra.security.tokens import ACCESS_LIVES, LEEWAY
from social.infra.store.mongo import OVERLAP, Mongo
from social.infra.store.read_mark import ReadMark
from social.infra.store.rows import SESSIONS, USERS

log = logs.get("revocations")

REMEMBER = ACCESS_LIVES + LEEWAY * 2 + OVERLAP  # no access token that was signed before a revocation lives longer
POLL_S = 1.0
FAIL_CLOSED_S = 30.0


class Login(Protocol):
    """The session that an access token or a socket speaks for."""

    @property
    def user_id(self) -> str: ...

    @property
    def session_id(self) -> str: ...

    @property
    def generation(self) -> int: ...


class Revoked(NamedTuple):
    """The time by this process's monotonic clock at which it learned that a session ended, and why it ended."""

    learned_at: float
    reason: str


class RevokedAll(NamedTuple):
    """The end of all sessions of an account that are of an earlier generation, except `keep`."""

    learned_at: float
    reason: str
    generation: int
    keep: str | None


class Listener(NamedTuple):
    """The functions to call for each session that ends, and for each account whose sessions all end."""

    one: Callable[[str, str], None]
    all: Callable[[str], None]


class Revocations:
    """The revoked sessions; checked on every request and connect. Listeners are called once for each end."""

    def __init__(self, mongo: Mongo) -> None:
        self._mongo = mongo
        self._revoked: dict[str, Revoked] = {}
        self._all: dict[str, RevokedAll] = {}  # by account
        self._read = ReadMark()
        self._fresh_at = float("-inf")
        self._listeners: list[Listener] = []

    def listen(self, one: Callable[[str, str], None], all_: Callable[[str], None]) -> None:
        """From now on call `one(session_id, reason)` for each session that ends, `all_(user_id)` where all do."""
        self._listeners.append(Listener(one, all_))

    def check(self, login: Login) -> None:
        """Raise SessionRevoked, or Unavailable when the list is too old to be trusted."""
        if self._found(login):
            raise SessionRevoked
        if time.monotonic() - self._fresh_at > FAIL_CLOSED_S:
            raise Unavailable("Revoked sessions cannot be looked up")

    def reason(self, login: Login) -> str | None:
        """Return why a login has ended, or None where this process knows of no end."""
        return found.reason if (found := self._found(login)) else None

    def _found(self, login: Login) -> Revoked | RevokedAll | None:
        if revoked := self._revoked.get(login.session_id):
            return revoked
        mark = self._all.get(login.user_id)
        return mark if mark and login.generation < mark.generation and login.session_id != mark.keep else None

    def add(self, session_id: str, reason: str = SessionEnd.UNKNOWN) -> None:
        """Record a revocation early, from Redis or from this process's own commit."""
        if session_id not in self._revoked:
            self._revoked[session_id] = Revoked(time.monotonic(), reason)
            for listener in self._listeners:
                listener.one(session_id, reason)

    def add_all(self, user_id: str, generation: int, reason: str, *, keep: str | None) -> None:
        """Record that all sessions of an account of an earlier generation ended, except `keep`."""
        known = self._all.get(user_id)
        if known is None or known.generation < generation:
            self._all[user_id] = RevokedAll(time.monotonic(), reason, generation, keep)
            for listener in self._listeners:
                listener.all(user_id)

    async def poll(self) -> None:
        """Read new revocations; raises Unavailable."""
        started, now = time.monotonic(), await self._mongo.now()
        since = self._read.since(now, first=REMEMBER)
        ended, marks = await asyncio.gather(
            self._mongo.many(SESSIONS, {"revoked_at": {"$gte": since}}, fields={"reason": 1}),
            self._mongo.many(USERS, {"sessions_ended.at": {"$gte": since}}, fields={"sessions_ended": 1}),
        )
        for row in ended:
            self.add(row["_id"], row.get("reason") or SessionEnd.UNKNOWN)
        for user in marks:
            mark = user["sessions_ended"]
            reason = mark.get("reason") or SessionEnd.UNKNOWN
            self.add_all(user["_id"], mark["generation"], reason, keep=mark.get("keep"))
        self._read.advance(now)
        self._fresh_at = started
        self._forget(started - REMEMBER.total_seconds())

    def _forget(self, before: float) -> None:
        for session_id in [each for each, revoked in self._revoked.items() if revoked.learned_at < before]:
            del self._revoked[session_id]
        for user_id in [each for each, mark in self._all.items() if mark.learned_at < before]:
            del self._all[user_id]

    async def run(self) -> None:
        """Poll every second, as long as the process lives."""
        while True:
            try:
                await self.poll()
            except Exception as error:
                log.warning("revoked sessions not readable", error=str(error))
            metrics.REVOCATIONS_LAG_S.set(max(0.0, time.monotonic() - self._fresh_at))
            await asyncio.sleep(POLL_S)
