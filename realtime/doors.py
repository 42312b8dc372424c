"""The only way into a room: join, await Redis' confirmation, then read the snapshot, so nothing falls in between."""

from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

from realtime import resume
from realtime.background import Background
from realtime.cluster import Cluster
from realtime.server import Server
from realtime.session import Session
from social import posts
from social.contracts.posts import PostStats
from social.contracts.problems import Problem, RateLimited
from social.contracts.pushes import frame, post_room
from social.infra import logs
from social.infra.redis import AWAY
from social.infra.wiring import Social

log = logs.get("doors")

T = TypeVar("T")

CHUNK = 200


class Doors:
    """Who enters a room is let in here, once; leaving by any way goes through here too."""

    def __init__(
        self, social: Social, cluster: Cluster, server: Server, background: Background, *, most: int, confirm_s: float
    ) -> None:
        self._social = social
        self._cluster = cluster
        self._server = server
        self._background = background
        self._most = most
        self._confirm_s = confirm_s

    async def enter_post(self, session: Session, post_id: str) -> PostStats:
        """Hear a post's counts and comments from now on; its counts as they are. Raises NotFound."""
        if sum(room.startswith("post:") for room in session.rooms) >= self._most:
            raise RateLimited(f"One socket watches at most {self._most} posts")
        return await self._enter(session, post_room(post_id), lambda: posts.stats(self._social.mongo, post_id))

    def leave_post(self, session: Session, post_id: str) -> None:
        """Stop hearing it."""
        self._leave(session, post_room(post_id), remembered=True)

    def leave_all(self, session: Session) -> None:
        """The socket is gone; what it watched stays remembered for its return."""
        for room in list(session.rooms):
            self._leave(session, room, remembered=False)

    async def restore(self, session: Session, rooms: Iterable[str]) -> None:
        """Enter again what a returning socket was in, through the same doors, and tell the counts as they are now."""
        for room in rooms:
            kind, _, post_id = room.partition(":")
            if kind != "post" or session.ended:
                continue
            try:
                stats = await self.enter_post(session, post_id)
            except Problem as problem:
                log.debug("room not restored", room=room, problem=problem.code)
            else:
                if not session.ended:
                    self._server.send_frame(session.sid, frame("post.stats", stats))

    async def tell_again(self, rooms: Iterable[str]) -> None:
        """After hints may have been lost: the counts of every watched post as they are now; raises Unavailable."""
        ids = [room.removeprefix("post:") for room in rooms if room.startswith("post:")]
        for start in range(0, len(ids), CHUNK):
            for stats in await posts.many_stats(self._social.mongo, ids[start : start + CHUNK]):
                self._server.publish_frame(post_room(stats.post_id), frame("post.stats", stats))

    async def _enter(self, session: Session, room: str, snapshot: Callable[[], Awaitable[T]]) -> T:
        fresh = room not in session.rooms
        if fresh:
            session.rooms.add(room)
            self._cluster.want(room)
            self._server.enter(session.sid, room)
        await self._cluster.confirmed(room, self._confirm_s)
        try:
            found = await snapshot()
        except BaseException:
            if fresh:
                self._leave(session, room, remembered=False)
            raise
        if fresh and not session.ended:
            self._background.spawn("remember", self._remember(session.sid, entered=room))
        return found

    def _leave(self, session: Session, room: str, *, remembered: bool) -> None:
        if room not in session.rooms:
            return
        session.rooms.discard(room)
        self._cluster.release(room)
        if not session.ended:
            self._server.leave(session.sid, room)
            if remembered:
                self._background.spawn("forget", self._remember(session.sid, left=room))

    async def _remember(self, sid: str, *, entered: str | None = None, left: str | None = None) -> None:
        try:
            await resume.remember(self._social.redis, sid, entered=entered, left=left)
        except AWAY as error:  # clients watch again by themselves on every connect
            log.debug("watched rooms not kept", error=str(error))
