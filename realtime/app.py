"""The composition root of the realtime process: one gateway, startable inside another process too."""

import asyncio
import random
import time
from typing import Any

import realtime.events  # noqa: F401 - registers what clients may send
from realtime.background import Background
from realtime.claims import Claims
from realtime.connect import Connecting
from realtime.delivery import Delivery
from realtime.dispatch import Dispatcher, EventContext
from realtime.hidden_authors import HiddenAuthors
from realtime.lifecycle import Lifecycle
from realtime.presence import Presences
from realtime.redis_bridge import CHANNEL, SocketIORedisBridge
from realtime.redis_channels import RedisChannels
from realtime.resume import Left, Pids
from realtime.room_access import RoomAccess
from realtime.settings import GatewaySettings
from realtime.sockets import Sockets
from realtime.transport import Transport
from social.contracts.auth import SessionEnd
from social.contracts.problems import Unavailable
from social.contracts.pushes import Drain, frame
from social.infra import clock
from social.infra.observe import logs
from social.infra.process.admission import Admission
from social.infra.process.health import Health
from social.infra.process.plaza import Plaza
from social.infra.process.process import Tasks
from social.infra.redis.limits import Limiter
from social.infra.security.tokens import LEEWAY, Verifier

log = logs.get("gateway")

TICK_S = 1.0
IN_FLIGHT_S = 0.5  # a push that takes longer from its append to us counts as lost
SWEEP_WITHOUT_LISTENER_S = 5.0


class Gateway:
    """A realtime node: its sockets, its Redis listener, and the long tasks that keep them right."""

    def __init__(self, settings: GatewaySettings, plaza: Plaza, verifier: Verifier, tasks: Tasks) -> None:
        self.settings = settings
        self.plaza = plaza
        self.port = 0
        self._tasks = tasks
        self.background = Background()
        self.admission = Admission()
        self.limiter = Limiter(plaza.redis)
        self.sockets = Sockets()
        self.health = Health({"mongo": plaza.mongo.ping})
        self.pids = Pids(_pid_key(settings))
        left = Left()
        self.transport = Transport(settings, self.health)
        self.server = self.transport.server
        self.redis_channels = RedisChannels(
            plaza.redis, linger_s=settings.linger_s, beat_s=settings.beat_s, silence_s=settings.silence_s
        )
        self.presences = Presences(
            plaza.redis,
            plaza.pushes,
            self.sockets,
            self.server,
            self.redis_channels,
            lease_s=settings.presence_lease_s,
            grace_s=settings.presence_grace_s,
        )
        self.room_access = RoomAccess(
            plaza,
            self.redis_channels,
            self.server,
            self.presences,
            self.background,
            sockets=self.sockets,
            most_posts=settings.watched_posts,
            most_people=settings.watched_people,
            confirm_s=settings.confirm_s,
        )
        self.lifecycle = Lifecycle(
            self.sockets,
            self.server,
            self.redis_channels,
            self.presences,
            self.room_access,
            redis=plaza.redis,
            background=self.background,
            left=left,
            close_connection=self.transport.close_connection,
        )
        self.delivery = Delivery(
            plaza.mongo,
            self.sockets,
            self.server,
            self.background,
            abort=self.lifecycle.abort,
            most_unread=settings.max_buffered_bytes // 4,
        )
        self.hidden_authors = HiddenAuthors(
            plaza.mongo, self.sockets, self.room_access, self.background, abort=self.lifecycle.abort
        )
        self.claims = Claims(plaza.redis, self.redis_channels, self.sockets, abort=self.lifecycle.abort)
        connecting = Connecting(
            settings,
            plaza,
            verifier,
            self.pids,
            left,
            health=self.health,
            sockets=self.sockets,
            claims=self.claims,
            redis_channels=self.redis_channels,
            hidden_authors=self.hidden_authors,
            lifecycle=self.lifecycle,
            delivery=self.delivery,
            room_access=self.room_access,
            background=self.background,
            abort_connection=self.transport.abort_connection,
        )
        dispatcher = Dispatcher(
            EventContext(plaza, verifier, self.room_access, settings.typing_every_s),
            self.sockets,
            self.admission,
            self.limiter,
            settings,
            abort=self.lifecycle.abort,
        )
        bridge = SocketIORedisBridge(
            self.server,
            self.sockets,
            self.room_access,
            disconnect=self.lifecycle.disconnect,
            max_bytes=settings.max_message_bytes,
        )
        self.transport.handle(
            authorize=connecting.authorize,
            departed=self.lifecycle.departed,
            received=dispatcher.received,
            places=connecting.places,
        )
        self.redis_channels.handle(
            pushed=self.delivery.pushed,
            control=self._control,
            regained=self._regained,
            others={CHANNEL: bridge.received},
        )

    async def start(self) -> None:
        """Listen for pushes, then for clients; raises StartError. `plaza.start` is the process's to call."""
        self.plaza.revocations.listen(self._revoked, self._revoked_all)
        await self.plaza.revocations.poll()
        self._tasks.keep("redis channels", self.redis_channels.run)
        self._tasks.keep("presence", self.presences.run)
        self._tasks.keep("positions", self._sweep)
        self._tasks.keep("hidden authors", self.hidden_authors.run)
        self._tasks.keep("expiry", self._expire)
        self.port = await self.transport.start()
        log.info("listening", port=self.port, node=self.redis_channels.node)

    async def drain(self) -> None:
        """Refuse newcomers, and send everybody to another gateway over `drain_s`."""
        self.health.stopping = True
        self.transport.refuse_newcomers()
        leaving = list(self.sockets)
        random.shuffle(leaving)
        step_s = self.settings.drain_s * 0.9 / max(1, len(leaving))
        for at, socket in enumerate(leaving, 1):  # nobody at once: the frame would be lost where it waits for a poll
            drain = Drain.model_construct(after_ms=round(at * step_s * 1000))
            self.server.send_frame(socket.sid, frame("drain", drain))
        started = time.monotonic()
        for at, socket in enumerate(leaving, 1):
            late = started + at * step_s - time.monotonic()
            if late > 0:
                await asyncio.sleep(late)
            self.lifecycle.abort(socket)

    async def stop(self) -> None:
        """Close what is left. The long tasks end with the process's `tasks.cancel()`."""
        self.health.stopping = True
        await self.presences.leave_all()
        await self.transport.stop()
        await self.background.cancel()
        await self.limiter.close()

    def _control(self, message: dict[str, Any]) -> None:
        """Apply a control message: ended logins, a claim of a socket id, changed visibility, changed user cards."""
        match message:
            case {"revoked": str(session_id), **more}:
                self.plaza.revocations.add(session_id, str(more.get("reason", SessionEnd.UNKNOWN)))
            case {"sessions_ended": str(user_id), "generation": int(generation), **more}:
                keep, reason = more.get("keep"), str(more.get("reason", SessionEnd.UNKNOWN))
                self.plaza.revocations.add_all(
                    user_id, generation, reason, keep=keep if isinstance(keep, str) else None
                )
            case {"evict": str(sid), "gen": int(gen)}:
                self.claims.evict(sid, gen)
            case {"visibility": list(people)}:
                self.hidden_authors.changed(people)
            case {"cards": list(keys)}:  # here too: what is pushed after this comes by the same connection
                self.plaza.mongo.memory.forget(each for each in keys if isinstance(each, str))

    def _revoked(self, login_id: str, reason: str) -> None:
        for socket in self.sockets.of_login(login_id):
            self.lifecycle.end(socket, reason)

    def _revoked_all(self, user_id: str) -> None:
        for socket in self.sockets.of_user(user_id):
            if (reason := self.plaza.revocations.reason(socket.login)) is not None:
                self.lifecycle.end(socket, reason)

    async def _regained(self) -> None:
        """Read the streams again once Redis is back: they hold what was pushed meanwhile."""
        self.background.spawn("re-read", self.delivery.reread_until_done("redis lost"))
        self.background.spawn("republish counts", self._republish_counts())

    async def _republish_counts(self) -> None:
        try:
            await self.room_access.republish_counts(self.redis_channels.rooms())
        except Unavailable as error:
            log.debug("counts not republished", error=str(error))

    async def _sweep(self) -> None:
        """Compare all positions now and then: even a push that vanished without a trace is found."""
        while True:
            most = self.settings.sweep_s
            every = most if self.redis_channels.up else min(most, SWEEP_WITHOUT_LISTENER_S)
            await asyncio.sleep(every * random.uniform(0.8, 1.2))  # noqa: S311 - jitter
            try:
                await self.delivery.reread("sweep", IN_FLIGHT_S)
            except Unavailable as error:
                log.warning("positions not readable", error=str(error))

    async def _expire(self) -> None:
        """Abort sockets whose token expired; their clients reconnect, are refused, and renew the token."""
        while True:
            await asyncio.sleep(TICK_S)
            over = time.time() - LEEWAY.total_seconds()
            for socket in self.sockets:
                if socket.expires_at <= over:
                    self.lifecycle.abort(socket)


def _pid_key(settings: GatewaySettings) -> bytes:
    key = settings.pid_key.get_secret_value() if settings.pid_key else clock.new_secret(32)
    return key.encode()
