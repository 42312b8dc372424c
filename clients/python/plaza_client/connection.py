"""The socket: connected again whenever it is lost, and resumed where it was, so that no event is missed or doubled."""

import asyncio
import itertools
import logging
import socket
import time
from collections.abc import Awaitable, Coroutine
from contextlib import suppress
from typing import Any, NamedTuple, Protocol

import aiohttp

from plaza_client.core import packets
from plaza_client.core.packets import Acked, Connected, Ended, Event, Opened, Pinged, Refused
from plaza_client.core.retrying import REPEATABLE, Retrying
from plaza_client.core.stream import Inbox
from plaza_client.errors import NotAuthenticated, PlazaError, Unreachable, refusal
from plaza_client.rest import ANSWER_WITHIN_S, NoteRetry
from plaza_client.session import EXPIRED, Session, new_key

log = logging.getLogger("plaza_client")

OPENS_WITHIN_S = 10.0
WITHOUT_KEY = frozenset(  # messages that write nothing, and take no idempotency key
    {"sync", "session.renew", "post.watch", "post.unwatch", "presence.watch", "presence.unwatch", "typing"}
)


class Listener(Protocol):
    """Hears what happens on a connection; nothing here may wait."""

    def event(self, event: Event) -> None:
        """Take an event."""

    def online(self, *, gap: bool) -> None:
        """Note that the connection is there; after a `gap` events of the stream were missed for good."""

    def offline(self) -> None:
        """Note that the connection was lost."""


class Return(NamedTuple):
    """A connection that came back: resumed by the server, or else by reading what was missed, unless there is a gap."""

    at: float  # time.monotonic()
    resumed: bool
    gap: bool


class _Lost(Exception):
    """The connection was lost before the answer came."""


class Connection:
    """The socket of a login."""

    def __init__(
        self,
        http: aiohttp.ClientSession,
        url: str,
        session: Session,
        listener: Listener,
        *,
        retrying: Retrying,
        note_retry: NoteRetry,
    ) -> None:
        """Make a connection to the gateway at an http or https `url`; `start` opens it."""
        self._http = http
        self._url = "ws" + url.removeprefix("http") + "/socket.io/?EIO=4&transport=websocket"
        self._session = session
        self._listener = listener
        self._retrying = retrying
        self._note_retry = note_retry
        self._socket: aiohttp.ClientWebSocketResponse | None = None
        self._pid: str | None = None
        self._numbers = itertools.count(1)
        self._acks: dict[int, asyncio.Future[dict[str, Any] | None]] = {}  # None: the connection was lost
        self._tasks: set[asyncio.Task[None]] = set()
        self._staying: asyncio.Task[None] | None = None
        self._online = asyncio.Event()
        self._was_lost = False  # since it was last online
        self._told = ""  # the access token that the server knows
        self.inbox = Inbox()
        self.returns: list[Return] = []

    def start(self) -> None:
        """Connect, and stay connected from now on."""
        if self._staying is None:
            self._staying = asyncio.create_task(self._stay())

    async def stop(self) -> None:
        """Disconnect for good."""
        if self._staying is not None:
            if self._socket is not None:
                with suppress(ConnectionError):
                    await self._socket.send_str(packets.DISCONNECT)
            self._staying.cancel()
            await asyncio.gather(self._staying, return_exceptions=True)

    def cut(self) -> None:
        """Cut the connection, as a tunnel does; it is opened again."""
        if self._socket is not None and (transport := self._socket.get_extra_info("socket")):
            with suppress(OSError):
                transport.shutdown(socket.SHUT_RDWR)

    async def wait_online(self) -> None:
        """Wait until the connection is there; raises NotAuthenticated where the login has ended."""
        assert self._staying is not None
        while not self._online.is_set():  # it may be lost again before this task has its turn
            if self._staying.done():
                raise NotAuthenticated(401, {"code": self._session.reason or "disconnected", "title": "Disconnected"})
            waiting = asyncio.ensure_future(self._online.wait())
            try:
                await asyncio.wait([waiting, self._staying], return_when=asyncio.FIRST_COMPLETED)
            finally:
                waiting.cancel()

    async def call(self, event: str, message: dict[str, Any]) -> Any:
        """Return the answer to a message, sent again until it is answered, a write under one key; raises PlazaError."""
        if event not in WITHOUT_KEY:
            message = {"idempotency_key": new_key(), **message}
        try:
            async with asyncio.timeout(self._retrying.give_up_s):
                for attempt in itertools.count():
                    await self.wait_online()
                    try:
                        return await self._call_once(event, message)
                    except _Lost as lost:
                        why = str(lost)
                    except PlazaError as error:
                        if error.status not in REPEATABLE:
                            raise
                        why = error.code
                    self._note_retry(f"socket: {why}")
                    await asyncio.sleep(self._retrying.wait_s(attempt))
        except TimeoutError:
            raise Unreachable("no answer over the socket") from None
        raise AssertionError("unreachable")

    async def _call_once(self, event: str, message: dict[str, Any]) -> Any:
        number = next(self._numbers)
        ack = self._acks[number] = asyncio.get_running_loop().create_future()
        try:
            if self._socket is None:
                raise _Lost("connection lost")
            await self._socket.send_str(packets.message(number, event, message))
            answer = await asyncio.wait_for(ack, ANSWER_WITHIN_S)
        except (aiohttp.ClientError, ConnectionError, TimeoutError) as error:
            raise _Lost(type(error).__name__) from None
        finally:
            del self._acks[number]
        if answer is None:
            raise _Lost("connection lost")
        if not answer["ok"]:
            raise refusal(answer["problem"]["status"], answer["problem"])
        return answer["data"]

    async def _stay(self) -> None:
        """Connect again whenever the connection is lost, until the login has ended."""
        attempt = 0
        while self._session.state == "active":
            try:
                await self._live()
            except NotAuthenticated as error:
                log.info("the login has ended: %s", error.code)
                return
            except (aiohttp.ClientError, OSError, TimeoutError, ValueError, KeyError, PlazaError) as error:
                log.debug("the connection was lost: %r", error)
            finally:
                attempt = 0 if self._online.is_set() else attempt + 1
                self._lost()
            await asyncio.sleep(self._retrying.wait_s(attempt))

    async def _live(self) -> None:
        """Open a connection and read from it until it is lost."""
        access = await self._session.access()
        async with asyncio.timeout(OPENS_WITHIN_S):
            opened = await self._http.ws_connect(self._url, max_msg_size=0)
        async with opened:
            self._socket, self._told, silence_s = opened, access, OPENS_WITHIN_S
            self.inbox.hold()
            while True:
                message = await opened.receive(timeout=silence_s)
                if message.type is not aiohttp.WSMsgType.TEXT:
                    return
                match packets.decode(message.data):
                    case Event() as event:
                        self._pushed(event)
                    case Acked(number, answer):
                        if (ack := self._acks.get(number)) and not ack.done():
                            ack.set_result(answer)
                    case Pinged():
                        await opened.send_str(packets.PONG)
                    case Opened(_, silence_s):
                        offset = self.inbox.stream.offset if self._pid else None
                        await opened.send_str(packets.connect(access, self._pid, offset))
                    case Connected(pid):
                        self._let_in(pid)
                    case Refused(problem):
                        self._refused(access, problem)
                        return
                    case Ended():
                        return

    def _let_in(self, pid: str) -> None:
        before, self._pid = self._pid, pid
        self._begin(self._keep_login())
        if pid == before or self.inbox.stream.offset is None:
            self._hand_on(self.inbox.resume())
            self._is_online(resumed=pid == before, gap=pid != before)
        else:
            self._begin(self._catch_up())

    def _refused(self, access: str, problem: dict[str, Any]) -> None:
        if problem.get("code") == EXPIRED:
            self._session.expire(access)
        elif problem.get("status") == 401:
            self._session.end(str(problem.get("code")))

    def _pushed(self, event: Event) -> None:
        was_whole = not self.inbox.holding
        self._hand_on(self.inbox.push(event))
        if was_whole and self.inbox.holding:  # a number is missing
            self._begin(self._catch_up())
        if event.name == "drain":
            self._begin(self._leave_after(event.data["after_ms"] / 1000))
        elif event.name == "session.revoked":
            self._session.end(str(event.data["reason"]))

    def _hand_on(self, events: list[Event]) -> None:
        for event in events:
            self._listener.event(event)

    async def _catch_up(self) -> None:
        """Read what was missed since the last event, and let the events go on that were held meanwhile."""
        for attempt in itertools.count():
            try:
                answer = await self._call_once("sync", {"after": self.inbox.stream.offset})
                break
            except PlazaError:
                await asyncio.sleep(self._retrying.wait_s(attempt))
        joined = self.inbox.catch_up(answer)
        self._hand_on(joined.events)
        self._is_online(resumed=False, gap=joined.gap)

    async def _keep_login(self) -> None:
        """Renew the login before its access token expires, and send the new token, without a new connection."""
        while True:
            await asyncio.sleep(max(1.0, self._session.due_in_s()))
            access = await self._session.access()
            if access != self._told:
                await self._call_once("session.renew", {"token": access})
                self._told = access

    async def _leave_after(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
        self.cut()

    def _is_online(self, *, resumed: bool, gap: bool) -> None:
        was_online = self._online.is_set()
        if self._was_lost and not was_online:
            self.returns.append(Return(time.monotonic(), resumed, gap))
            self._was_lost = False
        self._online.set()
        if gap or not was_online:
            self._listener.online(gap=gap)

    def _lost(self) -> None:
        was_online = self._online.is_set()
        self._was_lost |= was_online
        self._socket = None
        self._online.clear()
        for ack in self._acks.values():
            if not ack.done():
                ack.set_result(None)
        for task in self._tasks:
            task.cancel()
        if was_online:
            self._listener.offline()

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        """Run work for as long as the connection lives; where it fails, the next connection begins anew."""
        task = asyncio.create_task(self._guarded(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _guarded(self, work: Awaitable[None]) -> None:
        try:
            await work
        except (_Lost, PlazaError) as error:
            log.debug("the connection is given up: %r", error)
            self.cut()
