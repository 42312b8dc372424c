"""The only way into a room: join, await Redis' confirmation, then read the snapshot, so nothing falls in between."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from typing import Any, TypeVar

from realtime import resume
from realtime.background import Background
from realtime.presence import Presences, gone
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

log = logs.get("doors")

T = TypeVar("T")

CHUNK = 200


class RoomAccess:
    """Who enters a room is let in here, once; leaving by any way goes through here too."""

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
        self._authors: dict[str, str] = {}  # of the posts that are watched here
        self._posts: dict[str, set[str]] = {}  # those by author
        self._for_followers: set[str] = set()  # rooms of those
        self._turn = 0  # raised when what somebody may see changes: who is at a door then is asked again

    async def enter_post(self, socket: Socket, post_id: str) -> PostStats:
        """Hear a post's counts and comments from now on; its counts as they are. Raises NotFound."""
        room = post_room(post_id)

        async def look() -> PostStats:
            found = await publishing.many_stats(self._plaza.mongo, [post_id])
            if not found:
                raise NotFound
            return found[0]

        unsure = False  # in the room, while what they may see has changed since it was asked
        try:
            while True:
                turn = self._turn
                post = await access.readable(self._plaza.mongo, post_id, viewer=socket.user_id)
                stats = await self._enter(socket, [room], look)
                unsure = True
                author_id = self._authors[post_id] = post["author_id"]
                self._posts.setdefault(author_id, set()).add(post_id)
                if post.get("visibility") == "followers":
                    self._for_followers.add(room)
                if turn == self._turn:
                    return stats
        except BaseException as error:
            if unsure or isinstance(error, NotFound):
                self._leave(socket, [room], remembered=True)
            raise
        finally:
            self._forget(room)

    def leave_post(self, socket: Socket, post_id: str) -> None:
        """Stop hearing it."""
        self._leave(socket, [post_room(post_id)], remembered=True)

    async def enter_presences(self, socket: Socket, user_ids: Sequence[str]) -> list[Presence]:
        """Hear who of these people comes and goes, as far as one may; who is here now. Raises Unavailable."""
        while True:
            turn = self._turn
            asked = list(dict.fromkeys(user_ids))
            shown = await visibility.shown(self._plaza.mongo, [(socket.user_id, each) for each in asked])
            ids = [each for each in asked if (socket.user_id, each) in shown and not socket.hides(each)]
            self._leave(socket, [presence_room(each) for each in asked if each not in ids], remembered=True)
            found = await self._presence(socket, ids)
            if turn == self._turn:
                return found

    def leave_presences(self, socket: Socket, user_ids: Sequence[str]) -> None:
        """Stop hearing of them."""
        self._leave(socket, [presence_room(each) for each in user_ids], remembered=True)

    def leave_all(self, socket: Socket) -> None:
        """The socket is gone; what it watched stays remembered for its return."""
        self._leave(socket, list(socket.rooms), remembered=False)

    def bring(self, socket: Socket, room: str) -> None:
        """Put a socket into a room because another process says so; how things are is told. Raises RateLimited."""
        if room in socket.rooms or socket.hides(room.partition(":")[2]):
            return
        self._admit(socket, [room])
        self._join(socket, [room])
        self._background.spawn("remember", self._remember(socket.sid, entered=[room]))
        self._background.spawn("restore rooms", self.restore(socket, [room]))

    # ---- what somebody may see changes

    def turn(self) -> None:
        """Whoever is at a door has to be looked at once more."""
        self._turn += 1

    async def look_again(self, who: str, whom: str | None) -> None:
        """Out of the rooms about these two goes the other one, or everybody from those about one, who may not be there.

        Raises Unavailable.
        """
        inside = self._inside(who, whom)
        if whom is not None:
            inside += self._inside(whom, who)
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
                    if room.startswith("presence:"):  # to them it looks as if that person had gone
                        self._server.send_frame(socket.sid, frame("presence", gone(about)))

    def _inside(self, about: str, viewer: str | None) -> list[tuple[Socket, str, str]]:
        rooms = [presence_room(about), *(post_room(each) for each in self._posts.get(about, ()))]
        if viewer is not None:
            here = self._sockets.of_user(viewer)
            return [(each, room, about) for each in here for room in rooms if room in each.rooms]
        inside = [(self._sockets.get(sid), room) for room in rooms for sid in self._server.inside(room)]
        return [(socket, room, about) for socket, room in inside if socket is not None]

    def take_out(self, socket: Socket, room: str) -> None:
        """The inverse of `bring`."""
        self._leave(socket, [room], remembered=True)

    async def restore(self, socket: Socket, rooms: Iterable[str]) -> None:
        """Enter again what a returning socket was in, through the same doors, and tell how things are now."""
        ids: dict[str, list[str]] = {"post": [], "presence": []}
        for room in rooms:
            kind, _, of = room.partition(":")
            ids.get(kind, []).append(of)
        for post_id in ids["post"]:
            await self._restore(socket, "post.stats", self._one(socket, post_id))
        if ids["presence"]:
            await self._restore(socket, "presence", self.enter_presences(socket, ids["presence"]))

    async def tell_again(self, rooms: Iterable[str]) -> None:
        """After hints may have been lost: the counts of every watched post as they are now; raises Unavailable."""
        ids = [room.removeprefix("post:") for room in rooms if room.startswith("post:")]
        for start in range(0, len(ids), CHUNK):
            for stats in await publishing.many_stats(self._plaza.mongo, ids[start : start + CHUNK]):
                self._server.publish_frame(post_room(stats.post_id), frame("post.stats", stats))

    async def _presence(self, socket: Socket, ids: Sequence[str]) -> list[Presence]:
        return await self._enter(socket, [presence_room(each) for each in ids], lambda: self._presences.look(ids))

    async def _one(self, socket: Socket, post_id: str) -> list[PostStats]:
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
        if socket.ended:  # while it was asked whether it may enter: nobody would take it out again
            raise Unavailable("The socket is gone")
        fresh = [room for room in rooms if room not in socket.rooms]
        self._admit(socket, fresh)
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
            self._redis_channels.want(room)
            self._server.enter(socket.sid, room)

    def _admit(self, socket: Socket, fresh: Sequence[str]) -> None:
        for kind, most in self._most.items():
            new = sum(room.startswith(kind) for room in fresh)
            if new and new + sum(room.startswith(kind) for room in socket.rooms) > most:
                raise RateLimited(f"One socket watches at most {most} of these")

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
        """Who wrote a post that nobody here watches any more."""
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
            log.debug("watched rooms not kept", error=str(error))
