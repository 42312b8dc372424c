"""Whom the people here do not see: read when they connect, and again when a block, a mute or a private account says so.

Redis tells of a change at once; the store's list of changes is read each second, so that Redis is not needed for it.
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
from social.infra.store.rows import USERS
from social.people import edges, visibility_log

log = logs.get("sight")

POLL_S = 1.0
RETRY_S = 0.5


class HiddenAuthors:
    """Keeps the hidden people of each socket, and the rooms it is in, true to the store."""

    def __init__(
        self,
        mongo: Mongo,
        sockets: Sockets,
        room_access: RoomAccess,
        background: Background,
        *,
        cut: Callable[[Socket], None],
    ) -> None:
        self._mongo = mongo
        self._sockets = sockets
        self._room_access = room_access
        self._background = background
        self._cut = cut
        self._read_until: datetime | None = None  # by the store's clock
        self._looking: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._known: dict[str, datetime] = {}  # changes that were looked at, as long as the overlap repeats them

    async def read(self, socket: Socket) -> None:
        """Whom a socket that connects does not see; raises Unavailable."""
        while True:
            looks = socket.looks
            hidden = await self._hidden(socket.user_id)
            if looks == socket.looks:  # else something changed while the store was asked
                self._sockets.hide(socket, hidden)
                return

    def told(self, people: list[Any]) -> None:
        """Another process says that these two, or all who watch this one, may see something else now."""
        if people and all(isinstance(each, str) for each in people):
            self._changed(people[0], people[1] if len(people) > 1 else None)

    async def run(self) -> None:
        """Read what changed, each second, as long as the process lives."""
        while True:
            await asyncio.sleep(POLL_S)
            try:
                await self._poll()
            except Unavailable as error:
                log.warning("changes of visibility not readable", error=str(error))

    async def _poll(self) -> None:
        now = await self._mongo.now()
        read_until = self._read_until or now - OVERLAP
        # Where the store's clock was set back, or another member with another clock took over, from there on.
        changes = await visibility_log.since(self._mongo, min(read_until, now - OVERLAP))
        if now - read_until > visibility_log.REMEMBERED / 2:  # some are forgotten: have everybody connect again
            for socket in self._sockets:
                self._cut(socket)
        for row in changes:
            if row["_id"] not in self._known:
                self._known[row["_id"]] = row["at"]
                self._changed(row["who"], row["whom"])
        self._read_until = now - OVERLAP
        for row_id in [row_id for row_id, at in self._known.items() if at < self._read_until - OVERLAP]:
            del self._known[row_id]

    def _changed(self, who: str, whom: str | None) -> None:
        self._mongo.memory.forget([cached.key(USERS, who)])  # who may have closed their account
        if whom is not None and not (self._sockets.of_user(who) or self._sockets.of_user(whom)):
            return  # about two who are elsewhere
        self._room_access.turn()
        self._background.spawn("look again", self._look_again(who, whom))

    async def _look_again(self, who: str, whom: str | None) -> None:
        while True:
            try:
                if whom is not None:
                    await asyncio.gather(self._refresh(who), self._refresh(whom))
                return await self._room_access.look_again(who, whom)
            except Unavailable:
                await asyncio.sleep(RETRY_S)

    async def _refresh(self, user_id: str) -> None:
        """However many changes come while the store is asked, it is asked once more for all of them."""
        for socket in self._sockets.of_user(user_id):
            socket.looks += 1
        async with self._looking.setdefault(user_id, asyncio.Lock()):
            due = {each: each.looks for each in self._sockets.of_user(user_id) if each.looked < each.looks}
            if not due:
                return  # whoever had the lock before looked after our change
            hidden = await self._hidden(user_id)
            for socket, looks in due.items():
                socket.looked = max(socket.looked, looks)
                if not socket.ended:
                    self._sockets.hide(socket, hidden)

    async def _hidden(self, user_id: str) -> Hidden:
        hidden = await edges.hidden_from(self._mongo, user_id)
        if hidden is None:
            return EVERYBODY
        for other in self._sockets.of_user(user_id):
            if other.hidden == hidden:
                return other.hidden  # one copy for all the sockets of a person
        return hidden
