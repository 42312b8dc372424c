"""The sessions revoked in the last minutes, known in every process: polled from the store, so Redis is not needed."""

import asyncio
import time
from collections.abc import Callable
from datetime import datetime, timedelta

from social.contracts.problems import SessionRevoked, Unavailable
from social.infra import clock, logs, metrics
from social.infra.mongo import Mongo
from social.infra.tokens import ACCESS_LIVES, LEEWAY

log = logs.get("revocations")

REMEMBER = ACCESS_LIVES + LEEWAY * 2  # no access token signed before a revocation outlives this
OVERLAP = timedelta(seconds=10)  # commits may become visible later than their clock says
POLL_S = 1.0
FAIL_CLOSED_S = 30.0


class Revocations:
    """Consulted on every call and connect; listeners hear of each revoked session once."""

    def __init__(self, mongo: Mongo) -> None:
        self._mongo = mongo
        self._revoked: dict[str, datetime] = {}
        self._read_until: datetime | None = None
        self._fresh_at = float("-inf")
        self._listeners: list[Callable[[str], None]] = []

    def listen(self, heard: Callable[[str], None]) -> None:
        """Call `heard(session_id)` for each session that is revoked from now on."""
        self._listeners.append(heard)

    def check(self, session_id: str) -> None:
        """Raises SessionRevoked; Unavailable when the list is too old to be trusted."""
        if session_id in self._revoked:
            raise SessionRevoked
        if time.monotonic() - self._fresh_at > FAIL_CLOSED_S:
            raise Unavailable("Revoked sessions cannot be looked up")

    def add(self, session_id: str, at: datetime | None = None) -> None:
        """Learn of a revocation early, from Redis or from our own commit."""
        if session_id not in self._revoked:
            self._revoked[session_id] = at or clock.now()
            for heard in self._listeners:
                heard(session_id)

    async def poll(self) -> None:
        """Read what is new; raises Unavailable."""
        started, now = time.monotonic(), clock.now()
        since = self._read_until or now - REMEMBER
        for row in await self._mongo.many("sessions", {"revoked_at": {"$gte": since}}, fields={"revoked_at": 1}):
            self.add(row["_id"], row["revoked_at"])
        self._read_until = now - OVERLAP
        self._fresh_at = started
        oldest = now - REMEMBER
        for session_id in [each for each, at in self._revoked.items() if at < oldest]:
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
