"""Authors hidden from each socket: read at its connect, and again after a block, a mute or a change of privacy.

Redis announces a change at once; the store's list of changes is read each second, so that Redis is not needed for it.
"""

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import Any
from weakref import WeakValueDictionary

from realtime.background import Background
from realtime.room_access import RoomAccess
from realtime.sockets import EVERYBODY, Hidden, Socket, Sockets
from social.contracts.problems import Unavailable
from social.infra.observe import logs
from social.infra.store import cached
from social.infra.store.mongo import OVERLAP, Mongo
from social.infra.store.read_mark import ReadMark
from social.infra.store.rows import USERS
from social.people import edges, visibility_log

log = logs.get("hidden_authors")

POLL_S = 1.0
RETRY_S = 0.5


class HiddenAuthors:
    """Keeps each socket's hidden authors, and the rooms it is in, consistent with the store."""

    def __init__(
        self,
        mongo: Mongo,
        sockets: Sockets,
        room_access: RoomAccess,
        background: Background,
        *,
        abort: Callable[[Socket], None],
    ) -> None:
        self._mongo = mongo
        self._sockets = sockets
        self._room_access = room_access
        self._background = background
        self._abort = abort
        self._read = ReadMark()
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()  # of reads, by person
        self._known: dict[str, datetime] = {}  # changes that were applied, as long as the overlap repeats them

    async def read(self, socket: Socket) -> None:
        """Read the hidden authors of a connecting socket; raises Unavailable."""
        while True:
            changes = socket.hidden_changes
            hidden = await self._hidden(socket.user_id)
            if changes == socket.hidden_changes:  # else something changed while the store was read
                self._sockets.set_hidden(socket, hidden)
                return

    def changed(self, people: list[Any]) -> None:
        """Apply another process's announcement: visibility changed between two people, or of one to everybody."""
        if people and all(isinstance(each, str) for each in people):
            self._changed(people[0], people[1] if len(people) > 1 else None)

    async def run(self) -> None:
        """Read the store's list of changes each second, as long as the process lives."""
        while True:
            await asyncio.sleep(POLL_S)
            try:
                await self._poll()
            except Unavailable as error:
                log.warning("changes of visibility not readable", error=str(error))

    async def _poll(self) -> None:
        now = await self._mongo.now()
        since = self._read.since(now)
        changes = await visibility_log.since(self._mongo, since)
        if now - since > visibility_log.REMEMBERED / 2:  # some are forgotten: have all clients reconnect
            for socket in self._sockets:
                self._abort(socket)
        for row in changes:
            if row["_id"] not in self._known:
                self._known[row["_id"]] = row["at"]
                self._changed(row["who"], row["whom"])
        read = self._read.advance(now)
        for row_id in [row_id for row_id, at in self._known.items() if at < read - OVERLAP]:
            del self._known[row_id]

    def _changed(self, a: str, b: str | None) -> None:
        self._mongo.memory.forget([cached.key(USERS, a)])  # `a` may have closed their account
        if b is not None and not (self._sockets.of_user(a) or self._sockets.of_user(b)):
            return  # neither of the two has sockets here
        self._room_access.visibility_changed()
        self._background.spawn("recheck rooms", self._recheck(a, b))

    async def _recheck(self, a: str, b: str | None) -> None:
        while True:
            try:
                if b is not None:
                    await asyncio.gather(self._refresh(a), self._refresh(b))
                return await self._room_access.recheck(a, b)
            except Unavailable:
                await asyncio.sleep(RETRY_S)

    async def _refresh(self, user_id: str) -> None:
        """Read a person's hidden authors again; changes that come during a read share the next read."""
        for socket in self._sockets.of_user(user_id):
            socket.hidden_changes += 1
        async with self._locks.setdefault(user_id, asyncio.Lock()):
            sockets = self._sockets.of_user(user_id)
            due = {each: each.hidden_changes for each in sockets if each.hidden_read < each.hidden_changes}
            if not due:
                return  # the read before ours began after our change
            hidden = await self._hidden(user_id)
            for socket, changes in due.items():
                socket.hidden_read = max(socket.hidden_read, changes)
                if not socket.ended:
                    self._sockets.set_hidden(socket, hidden)

    async def _hidden(self, user_id: str) -> Hidden:
        hidden = await edges.hidden_from(self._mongo, user_id)
        if hidden is None:
            return EVERYBODY
        for other in self._sockets.of_user(user_id):
            if other.hidden == hidden:
                return other.hidden  # one copy for all the sockets of a person
        return hidden
