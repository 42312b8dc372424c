"""The Engine.IO 4 server without I/O: a transport (`uws.py`, `http.py`) tells what arrives and carries the answers."""

import asyncio
import logging
from abc import abstractmethod
from collections.abc import Awaitable, Callable
from typing import Any, ClassVar

from realtime.engine import packets
from realtime.engine.polling import LongPolling
from realtime.engine.session import (
    BAD_METHOD,
    BAD_REQUEST,
    BAD_VERSION,
    FORBIDDEN,
    UNKNOWN_SID,
    UNKNOWN_TRANSPORT,
    Environ,
    Exchange,
    Handler,
    Options,
    Polling,
    Refused,
    Request,
    Session,
    Wire,
)
from realtime.engine.sessions import SERVER_DISCONNECT, TRANSPORT_CLOSE, TRANSPORT_ERROR

log = logging.getLogger(__name__)

Page = tuple[int, str, bytes]  # status, content type, body


class Engine(LongPolling):
    """An Engine.IO server. Frames come encoded: text as UTF-8 bytes with its packet type (`42[…]`), binary raw."""

    name: ClassVar[str]

    def __init__(self, options: Options | None = None, handler: Handler | None = None) -> None:
        super().__init__(options, handler)
        self.page: Callable[[str], Awaitable[Page]] | None = None  # answers GETs outside the engine's path
        self.draining = False
        interval_ms, timeout_ms = round(self.options.ping_interval_s * 1000), round(self.options.ping_timeout_s * 1000)
        self._rules = b'"pingInterval":%d,"pingTimeout":%d,"maxPayload":%d' % (
            interval_ms,
            timeout_ms,
            self.options.max_payload_bytes,
        )

    async def start(self, host: str, port: int) -> int:
        """Listen; the answer is the port (useful with 0). A port in use is an OSError."""
        bound = await self._listen(host, port)
        self._start_clock()
        return bound

    def stop_accepting(self) -> None:
        """No new connections, and no handshake on those that are open."""
        self.draining = True
        self._stop_listening()

    async def drain(self, over_s: float) -> None:
        """Refuse newcomers and cut the sessions evenly over `over_s`; stock clients then reconnect by themselves."""
        self.stop_accepting()
        sids = list(self.sessions)
        rounds = min(50, len(sids))
        for number in range(rounds):
            for sid in sids[number::rounds]:
                self.cut(sid)
            await asyncio.sleep(over_s / rounds)

    async def stop(self) -> None:
        """Close everything that is left."""
        self.stop_accepting()
        for session in list(self.sessions.values()):
            self._end(session, SERVER_DISCONNECT, orderly=True)
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._shut_down()
        self._stop_clock()

    def send(self, sid: str, frame: bytes, binary: bool = False) -> bool:
        """Write one frame to one session now; False when it has gone or the frame was dropped."""
        session = self.sessions.get(sid)
        if session is None or session.closed:
            return False
        self.sent_count += 1
        if session.wire is not None:
            return session.wire.send(frame, binary)
        return self._queue(session, packets.pollable(frame, binary))

    def publish(self, topic: str, frame: bytes, binary: bool = False) -> None:
        """Write one frame to every session subscribed to the topic."""
        self.published_count += 1
        self._publish(topic.encode(), frame, binary)
        if self._pollers:
            self._publish_to_pollers(topic, frame, binary)

    def subscribe(self, sid: str, topic: str) -> None:
        """From now on the session gets what is published to the topic."""
        session = self.sessions.get(sid)
        if session is None:
            return
        if session.wire is not None:
            session.wire.subscribe(topic.encode())
        elif session.polling is not None:
            self._join(session, session.polling, topic)

    def unsubscribe(self, sid: str, topic: str) -> None:
        """The inverse of `subscribe`."""
        session = self.sessions.get(sid)
        if session is None:
            return
        if session.wire is not None:
            session.wire.unsubscribe(topic.encode())
        elif session.polling is not None:
            self._leave(session, session.polling, topic)

    def close(self, sid: str, reason: str = SERVER_DISCONNECT) -> None:
        """End a session in order: what was written arrives first."""
        if (session := self.sessions.get(sid)) is not None:
            self._end(session, reason, orderly=True)

    def cut(self, sid: str, reason: str = TRANSPORT_CLOSE) -> None:
        """Drop a session's connection; a stock client takes it for a lost network and comes back by itself."""
        if (session := self.sessions.get(sid)) is not None:
            self._end(session, reason)

    def settle(self, sid: str) -> None:
        """One more owner stands for the session: it may stay open without a deadline."""
        if (session := self.sessions.get(sid)) is not None:
            session.settled += 1
            self.unsettled -= session.settled == 1

    def unsettle(self, sid: str) -> None:
        """One owner less; with none left the session has `settle_timeout_s` to find another."""
        if (session := self.sessions.get(sid)) is not None:
            session.settled -= 1
            self.unsettled += session.settled == 0
            self._expect(session)

    def store(self, sid: str) -> dict[str, Any]:
        """A dictionary that lives as long as the session; KeyError when it has gone."""
        session = self.sessions[sid]
        if session.store is None:
            session.store = {}
        return session.store

    def is_open(self, sid: str) -> bool:
        """True until the session begins to end."""
        session = self.sessions.get(sid)
        return session is not None and not session.closed

    def transport(self, sid: str) -> str:
        """`websocket` or `polling`; KeyError when the session has gone."""
        return "websocket" if self.sessions[sid].wire is not None else "polling"

    def sockets(self) -> dict[str, int]:
        """Sessions by transport; walks every session."""
        websockets = sum(session.wire is not None for session in self.sessions.values())
        return {"websocket": websockets, "polling": len(self.sessions) - websockets}

    def buffered(self, sid: str) -> int:
        """Bytes the session's client has not taken yet."""
        session = self.sessions.get(sid)
        if session is None:
            return 0
        if session.wire is not None:
            return session.wire.buffered()
        return session.polling.queued_bytes if session.polling is not None else 0

    def backpressure_bytes(self) -> int:
        """What all clients together have not taken; walks every session."""
        return sum(self.buffered(sid) for sid in self.sessions)

    @abstractmethod
    async def _listen(self, host: str, port: int) -> int: ...

    @abstractmethod
    def _stop_listening(self) -> None: ...

    @abstractmethod
    async def _shut_down(self) -> None: ...

    @abstractmethod
    def _publish(self, topic: bytes, frame: bytes, binary: bool) -> None: ...

    def serve(self, exchange: Exchange) -> bool:
        """Answer a request, now or later; True when its body is wanted first (then `body` or `too_large` follows)."""
        request = exchange.request
        if not self.owns(request.path):
            self._serve_page(exchange)
            return False
        try:
            return self._serve(request, exchange)
        except Refused as refusal:
            self._refuse(exchange, refusal)
            return False

    def owns(self, path: str) -> bool:
        """True for the engine's own path, with or without the trailing slash."""
        return path == self.options.path or path + "/" == self.options.path

    def cors(self, request: Request) -> list[tuple[str, str]]:
        """The headers that let an allowed page read the answer."""
        if request.origin is None or not self._origin_allowed(request):
            return []
        headers = [
            ("Access-Control-Allow-Origin", request.origin),
            ("Access-Control-Allow-Credentials", "true"),
            ("Vary", "Origin"),
        ]
        if request.method == "OPTIONS":
            headers += [
                ("Access-Control-Allow-Methods", "GET, POST, OPTIONS"),
                ("Access-Control-Allow-Headers", request.headers_wanted or "content-type"),
                ("Access-Control-Max-Age", "86400"),
            ]
        return headers

    def _serve(self, request: Request, exchange: Exchange) -> bool:
        if request.method == "OPTIONS":
            if not self._origin_allowed(request):
                raise Refused(FORBIDDEN, 403)
            exchange.reply(204)
            return False
        words = self._last_words.pop(request.query.get("sid", ""), None) if request.method == "GET" else None
        if words is not None:
            exchange.reply(200, packets.join(words))
            return False
        session = self._verify(request, upgrade=False)
        if session is None:
            self._handshake(request, exchange)
        elif request.method == "GET":
            self._poll(session, exchange)
        elif request.method == "POST":
            return self._begin_post(session, exchange)
        else:
            raise Refused(BAD_REQUEST)
        return False

    def _refuse(self, exchange: Exchange, refusal: Refused) -> None:
        if not exchange.request.query.get("sid"):
            self._count(refusal)
        exchange.reply(refusal.status, refusal.body(), "application/json")

    def _serve_page(self, exchange: Exchange) -> None:
        if self.page is None or exchange.request.method != "GET":
            exchange.reply(404, b"not found")
        else:
            self.spawn(self._page(exchange, self.page))

    async def _page(self, exchange: Exchange, page: Callable[[str], Awaitable[Page]]) -> None:
        try:
            status, content_type, body = await page(exchange.request.path)
        except Exception:
            log.exception("the page %s failed", exchange.request.path)
            status, content_type, body = 500, "text/plain; charset=UTF-8", b"internal error"
        exchange.reply(status, body, content_type)

    def _origin_allowed(self, request: Request) -> bool:
        allowed = self.options.origins
        return request.origin is None or allowed is None or request.origin in allowed

    def _verify(self, request: Request, upgrade: bool) -> Session | None:
        transport, sid = request.query.get("transport"), request.query.get("sid")
        if transport not in ("polling", "websocket") or (upgrade and transport != "websocket"):
            raise Refused(UNKNOWN_TRANSPORT)
        if not self._origin_allowed(request):
            raise Refused(FORBIDDEN, 403)
        if sid:
            session = self.sessions.get(sid)
            if session is None or session.closed:
                raise Refused(UNKNOWN_SID)
            if not upgrade and (transport != "polling" or session.polling is None):
                raise Refused(BAD_REQUEST)
            return session
        if request.method != "GET":
            raise Refused(BAD_METHOD)
        if transport == "websocket" and not upgrade:
            raise Refused(BAD_REQUEST)
        if request.query.get("EIO") != "4":
            raise Refused(BAD_VERSION)
        if self.draining:
            raise Refused(FORBIDDEN, 503, "Draining")
        if self.options.max_unsettled is not None and self.unsettled >= self.options.max_unsettled:
            raise Refused(FORBIDDEN, 429, "Too many connections without a login")
        return None

    def _handshake(self, request: Request, exchange: Exchange) -> None:
        session = self._begin()
        session.polling = Polling()
        self._join(session, session.polling, _slot_topic(session.slot))
        self._tell_opened(session, request.environ())
        exchange.reply(200, self._open_packet(session, b'["websocket"]'))

    def _tell_opened(self, session: Session, environ: Environ) -> None:
        self.handshakes["ok"] += 1
        self.handler.opened(session.sid, environ)

    def _open_packet(self, session: Session, upgrades: bytes) -> bytes:
        return b'0{"sid":"%s","upgrades":%s,%s}' % (session.sid.encode(), upgrades, self._rules)

    def _count(self, refusal: Refused) -> None:
        self.handshakes[{403: "forbidden", 503: "draining", 429: "limited"}.get(refusal.status, "refused")] += 1

    def _ping(self, slot: int) -> None:
        topic = _slot_topic(slot)
        self._publish(topic.encode(), packets.PING, False)
        self._publish_to_pollers(topic, packets.PING, False)

    def may_upgrade(self, request: Request) -> str | None:
        """The sid of the session a websocket wants to take over, None for a new one; Refused where neither may be."""
        try:
            session = self._verify(request, upgrade=True)
            if session is not None and (session.polling is None or session.polling.probe is not None):
                raise Refused(BAD_REQUEST)
        except Refused as refusal:
            self._count(refusal)
            raise
        return session.sid if session is not None else None

    def wire_opened(self, wire: Wire, upgrading: str | None, environ: Environ) -> None:
        """A websocket is open: a new session, or a probe for the session `upgrading`."""
        if upgrading is not None:
            self._probe_opened(self.sessions.get(upgrading), wire)
            return
        session = self._begin()
        session.wire, wire.session = wire, session
        self._tell_opened(session, environ)
        if not session.closed:
            wire.send(self._open_packet(session, b"[]"), False)
            wire.subscribe(_slot_topic(session.slot).encode())

    def wire_received(self, wire: Wire, data: str | bytes) -> None:
        """A websocket message."""
        session = wire.session
        if session is None:
            return
        if session.wire is not wire:
            self._probe_received(session, wire, data)
        elif isinstance(data, bytes):
            self._packet(session, "4", data)
        elif data[:1] in packets.TYPES:
            self._packet(session, data[0], data[1:])
        else:
            self._end(session, TRANSPORT_ERROR, patient=True)

    def wire_closed(self, wire: Wire, slow: bool = False) -> None:
        """A websocket ended from the other side, or because its client was too slow."""
        session, wire.session = wire.session, None
        if session is None:
            return
        if session.wire is wire:
            session.wire = None
            self.slow_closed += slow
            self._end(session, TRANSPORT_CLOSE, patient=not slow)
        else:
            self._forget_probe(session, wire)

    def _probe_opened(self, session: Session | None, wire: Wire) -> None:
        if session is None or session.polling is None or session.polling.probe is not None:
            wire.close()
            return
        session.polling.probe, wire.session = wire, session
        self.after(self.options.upgrade_timeout_s, self._probe_expired, (session, wire))

    def _probe_received(self, session: Session, wire: Wire, data: str | bytes) -> None:
        polling = session.polling
        if polling is None:
            return
        if data == "2probe":
            wire.send(b"3probe", False)
            polling.probed = True
            self._flush_soon(session, polling)  # ends the held poll; later ones are answered at once
        elif data == "5" and polling.probed:
            self._take_over(session, polling, wire)
        else:
            self._probe_expired((session, wire))

    def _take_over(self, session: Session, polling: Polling, wire: Wire) -> None:
        session.wire, session.polling = wire, None
        if polling.poll is not None:
            polling.poll.reply(200, packets.NOOP)
        for packet in polling.queue:
            wire.send(*packets.framed(packet))
        for topic in list(polling.topics):  # only behind the queue: order
            self._leave(session, polling, topic)
            wire.subscribe(topic.encode())

    def _probe_expired(self, probe: tuple[Session, Wire]) -> None:
        session, wire = probe
        if self._forget_probe(session, wire):
            wire.session = None
            wire.close()

    def _forget_probe(self, session: Session, wire: Wire) -> bool:
        polling = session.polling
        if polling is None or polling.probe is not wire:
            return False
        polling.probe, polling.probed = None, False
        return True


def _slot_topic(slot: int) -> str:
    return f"\0{slot}"
