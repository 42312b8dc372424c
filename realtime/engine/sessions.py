"""Sessions on any transport: their beginning, heartbeat, messages in order, and end."""

import asyncio
import logging
import sys
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable
from secrets import token_urlsafe
from typing import Any

from realtime.engine import descriptors
from realtime.engine.session import BASE64, Backlog, Environ, Handler, Options, Session, Work
from realtime.engine.unsettled import Unsettled
from realtime.engine.wheel import Deadlines, Wheel
from realtime.limits import Bucket

log = logging.getLogger(__name__)

TRANSPORT_CLOSE, TRANSPORT_ERROR, PING_TIMEOUT = "transport close", "transport error", "ping timeout"
SERVER_DISCONNECT = "server disconnect"
TURN_EVERY = 16  # messages of one client: work that waits for nothing comes without a turn of the loop
PACKET_BYTES = 4_096  # a packet counts once, and once more for each of these in it
_OVERHEAD = 64  # counted per unhandled message, so that a flood of empty ones is bounded too


class NullHandler:
    """A handler that ignores everything."""

    def opened(self, sid: str, environ: Environ) -> None: ...

    def received(self, sid: str, data: str | bytes) -> Work | None: ...

    def closed(self, sid: str, reason: str) -> None: ...


class Sessions(ABC):
    """The table of sessions, and the one timer that serves them all."""

    def __init__(self, options: Options | None = None, handler: Handler | None = None) -> None:
        self.options = options or Options()
        self.handler: Handler = handler or NullHandler()
        self.sessions: dict[str, Session] = {}
        self.most_sessions = descriptors.for_sockets()
        self.handshakes: Counter[str] = Counter()  # by result: ok, refused, forbidden, draining, full
        self._unsettled = Unsettled(self.options.max_unsettled, self.options.max_unsettled_of_one)
        self.slow_closed = 0
        waits = (self.options.upgrade_timeout_s, self.options.settle_timeout_s or 5.0, self.options.linger_s, 5.0)
        self._wheel: Wheel[Session] = Wheel(self.options.ping_interval_s, self.options.ping_timeout_s, min(waits) / 5)
        self._deadlines = Deadlines()
        self._tasks: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._loop: asyncio.AbstractEventLoop

    def _start_clock(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._wheel.start(self._loop.time())
        self._timer = self._loop.call_at(self._wheel.due_at(), self._tick)

    def _stop_clock(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._deadlines.clear()

    def _tick(self) -> None:
        now = self._loop.time()
        try:
            for session in self._wheel.turn(now, self._ping):
                self._end(session, PING_TIMEOUT)
            self._deadlines.run(now)
        finally:
            self._timer = self._loop.call_at(self._wheel.due_at(), self._tick)

    def after(self, delay_s: float, call: Callable[[Any], None], argument: Any) -> None:
        """Call `call(argument)` in about `delay_s`."""
        self._deadlines.add(self._loop.time() + delay_s, call, argument)

    def spawn(self, work: Work) -> None:
        """Run a coroutine to its end, or until `stop`."""
        task: asyncio.Task[None] = self._loop.create_task(work)  # type: ignore[arg-type]
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    @abstractmethod
    def _ping(self, slot: int) -> None: ...

    def _begin(self, environ: Environ) -> Session:
        allowance = Bucket(self.options.packets_per_s, self.options.packets_burst)
        origin = self.options.origin(environ.get("REMOTE_ADDR", ""), environ.get("HTTP_X_FORWARDED_FOR"))
        session = Session(self._new_sid(), allowance, sys.intern(origin))
        session.base64 = environ.get("QUERY_STRING") == BASE64
        self.sessions[session.sid] = session
        self._add_unsettled(session)
        self._wheel.place(session)
        self._start_settle_deadline(session)
        return session

    def _new_sid(self) -> str:
        # The node is for load balancers, which find it in `?sid=`; the secret behind it cannot be guessed.
        secret = token_urlsafe(15)
        return f"{self.options.node}.{secret}" if self.options.node else secret

    def _start_settle_deadline(self, session: Session) -> None:
        if self.options.settle_timeout_s is not None and session.settled <= 0 and not session.closed:
            self.after(self.options.settle_timeout_s, self._settle_expired, session)

    def _add_unsettled(self, session: Session, *, again: bool = False) -> None:
        oldest = self._unsettled.add(session, again=again)
        if oldest is not None:
            self._loop.call_soon(self._make_room, oldest)  # not within the callback of another socket

    def _make_room(self, oldest: Session) -> None:
        if oldest.settled <= 0:
            self._end(oldest, TRANSPORT_ERROR)

    def _settle_expired(self, session: Session) -> None:
        if session.settled <= 0 and not session.closed:
            self._end(session, SERVER_DISCONNECT, orderly=True)

    def _within_allowance(self, session: Session, size: int) -> bool:
        """Count a packet of any kind against its connection; at too many end the session and return False."""
        if session.allowance.take(1 + size // PACKET_BYTES):
            return True
        log.info("session %s ends: it sends more packets than any client needs", session.sid)
        self._end(session, TRANSPORT_ERROR)
        return False

    def _packet(self, session: Session, kind: str, content: str | bytes) -> None:
        if not self._within_allowance(session, len(content)):
            return
        session.seen = self._wheel.serial
        if kind == "4":
            self._message(session, content)
        elif kind == "1":
            self._end(session, TRANSPORT_CLOSE, farewell=b"6", patient=True)
        elif kind == "2":  # only the server pings
            self._end(session, TRANSPORT_ERROR)

    def _message(self, session: Session, content: str | bytes) -> None:
        try:
            work = self.handler.received(session.sid, content)
        except Exception as error:
            log.info("session %s ends: %s", session.sid, error)
            self._end(session, TRANSPORT_ERROR)
            return
        if work is None:
            return
        size = len(content) + _OVERHEAD
        if session.backlog is None:
            session.backlog = Backlog()
            session.backlog.push(work, 0)
            self.spawn(self._run_backlog(session, session.backlog))
        elif session.backlog.size + size <= self.options.max_buffered_bytes:
            session.backlog.push(work, size)
        else:
            work.close()
            log.info("session %s ends: its messages come faster than they are handled", session.sid)
            self._end(session, TRANSPORT_ERROR)

    async def _run_backlog(self, session: Session, backlog: Backlog) -> None:
        done = 0
        while backlog.works:
            try:
                await backlog.pop()
            except Exception:
                log.exception("a message handler failed")
                self._end(session, TRANSPORT_ERROR)
            done += 1
            if done % TURN_EVERY == 0:
                await asyncio.sleep(0)
        session.backlog = None
        if session.closed:
            self._finish(session)

    def _end(
        self,
        session: Session,
        reason: str,
        *,
        orderly: bool = False,
        farewell: bytes | None = None,
        patient: bool = False,
    ) -> None:
        """Detach the transport now. `orderly`: with a close packet. `patient`: pending messages are handled first."""
        if not session.closed:
            session.closed = True
            session.reason = reason
            self._wheel.remove(session)
            if session.wire is not None:
                wire, session.wire = session.wire, None
                wire.session = None
                if orderly or farewell:
                    wire.close()
                else:
                    wire.abort()
            elif session.polling is not None:
                self._end_polling(session, b"1" if orderly else farewell)
            if patient and session.backlog is not None:
                self.after(self.options.linger_s, self._finish, session)
                return
        elif patient:
            return
        self._finish(session)

    @abstractmethod
    def _end_polling(self, session: Session, farewell: bytes | None) -> None: ...

    def _finish(self, session: Session) -> None:
        if session.finished:
            return
        session.finished = True
        if session.backlog is not None:
            session.backlog.drop()
        try:
            self.handler.closed(session.sid, session.reason or TRANSPORT_CLOSE)
        except Exception:
            log.exception("a close handler failed")
        del self.sessions[session.sid]
        self._unsettled.remove(session)
