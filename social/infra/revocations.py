"""The sessions revoked in the last minutes, known in every process: polled from the store, so Redis is not needed."""

import asyncio
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import NamedTuple

from social.contracts.auth import SessionEnd
from social.contracts.problems import SessionRevoked, Unavailable
from social.infra import clock, logs, metrics
from social.infra.mongo import Mongo
from social.infra.tokens import ACCESS_LIVES, LEEWAY

log = logs.get("revocations")

REMEMBER = ACCESS_LIVES + LEEWAY * 2  # no access token signed before a revocation outlives this
OVERLAP = timedelta(seconds=10)  # commits may become visible later than their clock says
POLL_S = 1.0
FAIL_CLOSED_S = 30.0


class Revoked(NamedTuple):
    """When a session ended, and why."""

    at: datetime
    reason: str


class Revocations:
    """Consulted on every call and connect; listeners hear of each revoked session once."""

    def __init__(self, mongo: Mongo) -> None:
        self._mongo = mongo
        self._revoked: dict[str, Revoked] = {}
        self._read_until: datetime | None = None
        self._fresh_at = float("-inf")
        self._listeners: list[Callable[[str, str], None]] = []

    def listen(self, heard: Callable[[str, str], None]) -> None:
        """Call `heard(session_id, reason)` for each session that is revoked from now on."""
        self._listeners.append(heard)

    def check(self, session_id: str) -> None:
        """Raises SessionRevoked; Unavailable when the list is too old to be trusted."""
        if session_id in self._revoked:
            raise SessionRevoked
        if time.monotonic() - self._fresh_at > FAIL_CLOSED_S:
            raise Unavailable("Revoked sessions cannot be looked up")

    def reason(self, session_id: str) -> str:
        """Why a session that `check` refuses has ended."""
        revoked = self._revoked.get(session_id)
        return revoked.reason if revoked else SessionEnd.UNKNOWN

    def add(self, session_id: str, reason: str = SessionEnd.UNKNOWN, at: datetime | None = None) -> None:
        """Learn of a revocation early, from Redis or from our own commit."""
        if session_id not in self._revoked:
            self._revoked[session_id] = Revoked(at or clock.now(), reason)
            for heard in self._listeners:
                heard(session_id, reason)

    async def poll(self) -> None:
        """Read what is new; raises Unavailable."""
        started, now = time.monotonic(), clock.now()
        since = self._read_until or now - REMEMBER
        fields = {"revoked_at": 1, "reason": 1}
        for row in await self._mongo.many("sessions", {"revoked_at": {"$gte": since}}, fields=fields):
            self.add(row["_id"], row.get("reason") or SessionEnd.UNKNOWN, row["revoked_at"])
        self._read_until = now - OVERLAP
        self._fresh_at = started
        oldest = now - REMEMBER
        for session_id in [each for each, revoked in self._revoked.items() if revoked.at < oldest]:
            del self._revoked[session_id]

    async def run(self) -> None:
        """Poll each second as long as the process lives."""
        while True:
            try:
                await self.poll()
            except Exception as error:
                log.warning("revoked sessions not readable", error=str(error))
            metrics.REVOCATIONS_LAG_S.set(max(0.0, time.monotonic() - self._fresh_at))
            await asyncio.sleep(POLL_S)
