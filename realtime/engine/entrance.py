"""The beginning of sessions: requests, handshakes, websockets, and the upgrade from polling to a websocket."""

import logging
from collections.abc import Awaitable, Callable

from realtime.engine import packets
from realtime.engine.openings import Openings
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
from realtime.engine.sessions import TRANSPORT_CLOSE, TRANSPORT_ERROR
from realtime.engine.topics import Topics

log = logging.getLogger(__name__)

Page = tuple[int, str, bytes]  # status, content type, body


def slot_topic(slot: int) -> str:
    """Return the topic that all sessions of a slot of the wheel are subscribed to, for their pings."""
    return f"\0{slot}"


class Entrance(LongPolling):
    """The rules by which sessions are opened and change their transport."""

    def __init__(self, options: Options | None = None, handler: Handler | None = None) -> None:
        super().__init__(options, handler)
        self.page: Callable[[str], Awaitable[Page]] | None = None  # answers GETs outside the engine's path
        self.draining = False
        self.openings = Openings()
        self.rewritten = Topics()  # of websockets that receive binary as text
        interval_ms, timeout_ms = round(self.options.ping_interval_s * 1000), round(self.options.ping_timeout_s * 1000)
        self._rules = b'"pingInterval":%d,"pingTimeout":%d,"maxPayload":%d' % (
            interval_ms,
            timeout_ms,
            self.options.max_payload_bytes,
        )

    def serve(self, exchange: Exchange) -> bool:
        """Answer a request, now or later; return True when its body is needed (then `body` or `too_large` follows)."""
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
        """Return True for the engine's own path, with or without the trailing slash."""
        return path == self.options.path or path + "/" == self.options.path

    def cors(self, request: Request) -> list[tuple[str, str]]:
        """Return the headers that let an allowed page read the answer."""
        if not request.origin or not self._origin_allowed(request):
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
        if request.content_encoding.strip().lower() not in ("", "identity"):
            raise Refused(BAD_REQUEST, 415, "Bodies are taken as they are, without Content-Encoding")
        if request.method == "GET" and self._answer_ended(exchange):
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
        if self.page is None or exchange.request.method not in ("GET", "HEAD"):
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
        return not request.origin or self.options.allow is None or self.options.allow(request)

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
        if (unavailable := self.unavailable()) is not None:
            raise unavailable
        return None

    def unavailable(self) -> Refused | None:
        """Return the refusal of all newcomers at this moment, whatever they ask, or None.

        A load balancer tries the next gateway, and official clients come back by themselves.
        """
        if self.draining:
            return Refused(FORBIDDEN, 503, "Draining")
        if len(self.sessions) >= self.most_sessions:
            return Refused(FORBIDDEN, 503, "Too many connections")
        if not self.openings.may_begin():
            return Refused(FORBIDDEN, 503, "Too many connects at once")
        return None

    def _handshake(self, request: Request, exchange: Exchange) -> None:
        environ = request.environ()
        session = self._begin(environ)
        session.polling = Polling()
        self._join(session, session.polling, slot_topic(session.slot))
        self._notify_opened(session, environ)
        exchange.reply(200, self._open_packet(session, b'["websocket"]'))

    def _notify_opened(self, session: Session, environ: Environ) -> None:
        self.handshakes["ok"] += 1
        self.openings.note()
        self.handler.opened(session.sid, environ)

    def _open_packet(self, session: Session, upgrades: bytes) -> bytes:
        return b'0{"sid":"%s","upgrades":%s,%s}' % (session.sid.encode(), upgrades, self._rules)

    def _count(self, refusal: Refused) -> None:
        unavailable = "draining" if self.draining else "full"
        self.handshakes[{403: "forbidden", 503: unavailable}.get(refusal.status, "refused")] += 1

    def may_upgrade(self, request: Request) -> str | None:
        """Return the sid of the session that a websocket upgrades, None for a new session; raises Refused.

        A session that has a websocket, or the probe of one, is no reason to refuse: `wire_opened` closes the second.
        """
        try:
            session = self._verify(request, upgrade=True)
            if not request.is_handshake:
                raise Refused(BAD_REQUEST)
        except Refused as refusal:
            self._count(refusal)
            raise
        return session.sid if session is not None else None

    def wire_opened(self, wire: Wire, upgrading: str | None, environ: Environ) -> None:
        """Begin a new session on an open websocket, or a probe for the session `upgrading`."""
        if upgrading is not None:
            self._probe_opened(self.sessions.get(upgrading), wire)
            return
        session = self._begin(environ)
        session.wire, wire.session = wire, session
        self._notify_opened(session, environ)
        if not session.closed:
            wire.send(self._open_packet(session, b"[]"), False)
            wire.subscribe(slot_topic(session.slot).encode())

    def wire_received(self, wire: Wire, data: str | bytes) -> None:
        """Handle a websocket message."""
        session = wire.session
        if session is None:
            return
        if session.wire is not wire:
            self._probe_received(session, wire, data)
        elif isinstance(data, bytes):
            self._packet(session, "4", data)
        elif data[:1] in packets.TYPES:
            self._packet(session, data[0], data[1:])
        elif data[:1] == "b":
            self._received_base64(session, data)
        else:
            self._end(session, TRANSPORT_ERROR, patient=True)

    def _received_base64(self, session: Session, data: str) -> None:
        try:
            kind, content = packets.decode(data)
        except packets.BadPacket:
            self._end(session, TRANSPORT_ERROR, patient=True)
        else:
            self._packet(session, kind, content)

    def wire_closed(self, wire: Wire, slow: bool = False, broken: str | None = None) -> None:
        """Handle the end of a websocket from the other side, also of a `slow` client; `broken` names a broken rule."""
        session, wire.session = wire.session, None
        if session is None:
            return
        if session.wire is wire:
            session.wire = None
            self.slow_closed += slow
            if broken is not None:
                log.info("session %s ends: its websocket broke the protocol (%s)", session.sid, broken)
            self._end(session, TRANSPORT_CLOSE if broken is None else TRANSPORT_ERROR, patient=not slow)
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
        if polling is None or not self._within_allowance(session, len(data)):
            return
        if data == "2probe":
            wire.send(b"3probe", False)
            polling.probed = True
            self._flush_soon(session, polling)  # ends the held poll; later ones are answered at once
        elif data == "5" and polling.probed:
            self._upgrade(session, polling, wire)
        else:
            self._probe_expired((session, wire))

    def _upgrade(self, session: Session, polling: Polling, wire: Wire) -> None:
        session.wire, session.polling = wire, None
        if polling.poll is not None:
            polling.poll.reply(200, packets.NOOP)
        for packet in polling.queue:
            frame = (packet, False) if session.base64 else packets.framed(packet)
            wire.send(*frame)
        for topic in list(polling.topics):  # only behind the queue: order
            self._leave(session, polling, topic)
            self._subscribe_wire(session, wire, topic)

    def _subscribe_wire(self, session: Session, wire: Wire, topic: str) -> None:
        """Subscribe a websocket to a topic: natively, or here where binary must be rewritten for it."""
        if session.base64:
            self.rewritten.subscribe(session, topic)
        else:
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
