"""The one door into rooms: join, await Redis' confirmation, then read the snapshot, so nothing falls in between."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from typing import Any, TypeVar

from realtime import resume
from realtime.background import Background
from realtime.presence import Presences, offline
from realtime.redis_channels import RedisChannels
from realtime.socketio.server import Server
from realtime.sockets import Socket, Sockets
from social.contracts.base import Contract
from social.contracts.posts import PostStats
from social.contracts.problems import NotFound, Problem, RateLimited, Unavailable
from social.contracts.pushes import Presence, frame, post_room, presence_room
from social.infra.observe import logs
from social.infra.process.plaza import Plaza
from social.infra.redis.redis import AWAY
from social.people import visibility
from social.posts import access, publishing

log = logs.get("room_access")

T = TypeVar("T")

CHUNK = 200


class RoomAccess:
    """Lets sockets into rooms they may be in, and takes them out; every way in and out of a room leads through here."""

    def __init__(
        self,
        plaza: Plaza,
        redis_channels: RedisChannels,
        server: Server,
        presences: Presences,
        background: Background,
        *,
        sockets: Sockets,
        most_posts: int,
        most_people: int,
        confirm_s: float,
    ) -> None:
        self._plaza = plaza
        self._sockets = sockets
        self._redis_channels = redis_channels
        self._server = server
        self._presences = presences
        self._background = background
        self._most = {"post": most_posts, "presence": most_people}
        self._confirm_s = confirm_s
        self._authors: dict[str, str] = {}  # by post that is watched here
        self._posts: dict[str, set[str]] = {}  # posts that are watched here, by author
        self._for_followers: set[str] = set()  # rooms of posts that only followers may see
        self._version = 0  # of visibility: where it changes while a socket enters, access is checked again

    async def enter_post(self, socket: Socket, post_id: str) -> PostStats:
        """Let a socket into a post's room, and return the post's counts; raises NotFound."""
        room = post_room(post_id)

        async def read_stats() -> PostStats:
            found = await publishing.many_stats(self._plaza.mongo, [post_id])
            if not found:
                raise NotFound
            return found[0]

        unchecked = False  # in the room, while visibility may have changed since access was checked
        try:
            while True:
                version = self._version
                post = await access.readable(self._plaza.mongo, post_id, viewer=socket.user_id)
                stats = await self._enter(socket, [room], read_stats)
                unchecked = True
                author_id = self._authors[post_id] = post["author_id"]
                self._posts.setdefault(author_id, set()).add(post_id)
                if post.get("visibility") == "followers":
                    self._for_followers.add(room)
                if version == self._version:
                    return stats
        except BaseException as error:
            if unchecked or isinstance(error, NotFound):
                self._leave(socket, [room], remembered=True)
            raise
        finally:
            self._forget(room)

    def leave_post(self, socket: Socket, post_id: str) -> None:
        """Take a socket out of a post's room."""
        self._leave(socket, [post_room(post_id)], remembered=True)

    async def enter_presences(self, socket: Socket, user_ids: Sequence[str]) -> list[Presence]:
        """Let a socket into the presence rooms of people it may see, and return their presence; raises Unavailable."""
        while True:
            version = self._version
            wanted = list(dict.fromkeys(user_ids))
            shown = await visibility.shown(self._plaza.mongo, [(socket.user_id, each) for each in wanted])
            ids = [each for each in wanted if (socket.user_id, each) in shown and not socket.hides(each)]
            self._leave(socket, [presence_room(each) for each in wanted if each not in ids], remembered=True)
            found = await self._presence(socket, ids)
            if version == self._version:
                return found

    def leave_presences(self, socket: Socket, user_ids: Sequence[str]) -> None:
        """Take a socket out of the presence rooms of these people."""
        self._leave(socket, [presence_room(each) for each in user_ids], remembered=True)

    def leave_all(self, socket: Socket) -> None:
        """Take a socket that has left out of all rooms; the rooms stay remembered for its return."""
        self._leave(socket, list(socket.rooms), remembered=False)

    def enter_by_command(self, socket: Socket, room: str) -> None:
        """Put a socket into a room at another process's command, and send it a snapshot; raises RateLimited."""
        if room in socket.rooms or socket.hides(room.partition(":")[2]):
            return
        self._check_limits(socket, [room])
        self._join(socket, [room])
        self._background.spawn("remember", self._remember(socket.sid, entered=[room]))
        self._background.spawn("restore rooms", self.restore(socket, [room]))

    def visibility_changed(self) -> None:
        """Have the access of all sockets that are entering a room checked again."""
        self._version += 1

    async def recheck(self, a: str, b: str | None) -> None:
        """Remove sockets from rooms they may no longer be in, after a block or a privacy change between `a` and `b`.

        `b=None` stands for everybody. Raises Unavailable.
        """
        inside = self._inside(a, b)
        if b is not None:
            inside += self._inside(b, a)
        for start in range(0, len(inside), CHUNK):
            some = inside[start : start + CHUNK]
            shown = await visibility.shown(self._plaza.mongo, {(each.user_id, about) for each, _, about in some})
            closer = {(each.user_id, about) for each, room, about in some if room in self._for_followers}
            followed = await visibility.followed(self._plaza.mongo, closer)
            for socket, room, about in some:
                hidden = room.startswith("presence:") and socket.hides(about)
                pair = socket.user_id, about
                seen = pair in shown and (room not in self._for_followers or pair in followed)
                if (hidden or not seen) and room in socket.rooms:
                    self._leave(socket, [room], remembered=True)
                    if room.startswith("presence:"):  # looks as if that person had left
                        self._server.send_frame(socket.sid, frame("presence", offline(about)))

    def _inside(self, about: str, viewer: str | None) -> list[tuple[Socket, str, str]]:
        rooms = [presence_room(about), *(post_room(each) for each in self._posts.get(about, ()))]
        if viewer is not None:
            here = self._sockets.of_user(viewer)
            return [(each, room, about) for each in here for room in rooms if room in each.rooms]
        inside = [(self._sockets.get(sid), room) for room in rooms for sid in self._server.inside(room)]
        return [(socket, room, about) for socket, room in inside if socket is not None]

    def leave_by_command(self, socket: Socket, room: str) -> None:
        """Take a socket out of a room at another process's command."""
        self._leave(socket, [room], remembered=True)

    async def restore(self, socket: Socket, rooms: Iterable[str]) -> None:
        """Let a returning socket into the rooms it was in, where it still may be, and send it a snapshot of each."""
        ids: dict[str, list[str]] = {"post": [], "presence": []}
        for room in rooms:
            kind, _, of = room.partition(":")
            ids.get(kind, []).append(of)
        for post_id in ids["post"]:
            await self._restore(socket, "post.stats", self._stats_of(socket, post_id))
        if ids["presence"]:
            await self._restore(socket, "presence", self.enter_presences(socket, ids["presence"]))

    async def republish_counts(self, rooms: Iterable[str]) -> None:
        """Publish the current counts of every watched post, since hints may have been lost; raises Unavailable."""
        ids = [room.removeprefix("post:") for room in rooms if room.startswith("post:")]
        for start in range(0, len(ids), CHUNK):
            for stats in await publishing.many_stats(self._plaza.mongo, ids[start : start + CHUNK]):
                self._server.publish_frame(post_room(stats.post_id), frame("post.stats", stats))

    async def _presence(self, socket: Socket, ids: Sequence[str]) -> list[Presence]:
        return await self._enter(socket, [presence_room(each) for each in ids], lambda: self._presences.read(ids))

    async def _stats_of(self, socket: Socket, post_id: str) -> list[PostStats]:
        return [await self.enter_post(socket, post_id)]

    async def _restore(self, socket: Socket, event: str, entering: Coroutine[Any, Any, Sequence[Contract]]) -> None:
        if socket.ended:
            entering.close()
            return
        try:
            found = await entering
        except Problem as problem:
            log.debug("room not restored", hint=event, problem=problem.code)
            return
        for state in found if not socket.ended else ():
            self._server.send_frame(socket.sid, frame(event, state))

    async def _enter(self, socket: Socket, rooms: Sequence[str], snapshot: Callable[[], Awaitable[T]]) -> T:
        if socket.ended:  # while its access was checked: nothing would take it out again
            raise Unavailable("The socket has left")
        fresh = [room for room in rooms if room not in socket.rooms]
        self._check_limits(socket, fresh)
        self._join(socket, fresh)
        await asyncio.gather(*(self._redis_channels.confirmed(room, self._confirm_s) for room in rooms))
        try:
            found = await snapshot()
        except BaseException:
            self._leave(socket, fresh, remembered=False)
            raise
        if fresh and not socket.ended:
            self._background.spawn("remember", self._remember(socket.sid, entered=fresh))
        return found

    def _join(self, socket: Socket, fresh: Sequence[str]) -> None:
        for room in fresh:
            socket.rooms.add(room)
            self._redis_channels.acquire(room)
            self._server.enter(socket.sid, room)

    def _check_limits(self, socket: Socket, fresh: Sequence[str]) -> None:
        for kind, most in self._most.items():
            new = sum(room.startswith(kind) for room in fresh)
            if new and new + sum(room.startswith(kind) for room in socket.rooms) > most:
                raise RateLimited(f"A socket watches at most {most} of these")

    def _leave(self, socket: Socket, rooms: Sequence[str], *, remembered: bool) -> None:
        left = [room for room in rooms if room in socket.rooms]
        for room in left:
            socket.rooms.discard(room)
            self._redis_channels.release(room)
            self._forget(room)
            if not socket.ended:
                self._server.leave(socket.sid, room)
        if left and remembered and not socket.ended:
            self._background.spawn("forget", self._remember(socket.sid, left=left))

    def _forget(self, room: str) -> None:
        """Forget the author of a post that has no watchers here any more."""
        kind, _, post_id = room.partition(":")
        if kind == "post" and not self._redis_channels.holds(room) and (author := self._authors.pop(post_id, None)):
            self._posts[author].discard(post_id)
            self._for_followers.discard(room)
            if not self._posts[author]:
                del self._posts[author]

    async def _remember(self, sid: str, *, entered: Sequence[str] = (), left: Sequence[str] = ()) -> None:
        try:
            await resume.remember(self._plaza.redis, sid, entered=entered, left=left)
        except AWAY as error:  # clients watch again by themselves on every connect
            log.debug("watched rooms not remembered", error=str(error))
