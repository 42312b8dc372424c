"""Long polling: the held GET, the POST, what is queued between two polls, and topics for those without a websocket."""

from abc import abstractmethod
from collections import deque

from realtime.engine import packets
from realtime.engine.session import BAD_REQUEST, UNKNOWN_SID, Exchange, Handler, Options, Polling, Refused, Session
from realtime.engine.sessions import TRANSPORT_CLOSE, TRANSPORT_ERROR, Sessions

MAX_PACKETS = 16  # in one answer: python-engineio's clients refuse more


class LongPolling(Sessions):
    """The rules of the polling transport."""

    def __init__(self, options: Options | None = None, handler: Handler | None = None) -> None:
        super().__init__(options, handler)
        self._pollers: dict[str, set[Session]] = {}  # by topic
        self._unsent: dict[str, deque[bytes]] = {}  # packets that ended sessions have yet to receive, by sid

    def _poll(self, session: Session, exchange: Exchange) -> None:
        polling = session.polling
        assert polling is not None
        if polling.poll is not None:
            self._end(session, TRANSPORT_ERROR, orderly=True)
            raise Refused(BAD_REQUEST)
        polling.poll = exchange
        exchange.session = session
        self._flush(session)

    def _begin_post(self, session: Session, exchange: Exchange) -> bool:
        polling = session.polling
        assert polling is not None
        if polling.post is not None or exchange.request.content_type.startswith("application/octet-stream"):
            self._end(session, TRANSPORT_ERROR, orderly=True)
            raise Refused(BAD_REQUEST)
        exchange.session = session
        if exchange.request.content_length > self.options.max_payload_bytes:
            self.too_large(exchange)
            return False
        polling.post = exchange
        return True

    def body(self, exchange: Exchange, data: bytes) -> None:
        """Handle the whole body of a POST."""
        session = exchange.session
        if session is None or session.closed:
            self._refuse(exchange, Refused(UNKNOWN_SID))
            return
        if session.polling is not None:
            session.polling.post = None
        arrived: list[tuple[str, str | bytes]] = []
        broken = False
        try:
            for packet in packets.split(data):
                arrived.append(packets.decode(packet))  # noqa: PERF401 - packets before a broken packet count
        except packets.BadPacket:
            broken = True
            self._refuse(exchange, Refused(BAD_REQUEST))
        exchange.reply(200, b"ok", "text/html")
        for kind, content in arrived:
            if session.closed:
                return
            self._packet(session, kind, content)
        if broken:
            self._end(session, TRANSPORT_ERROR, patient=True)

    def too_large(self, exchange: Exchange) -> None:
        """End the session of a POST whose body is larger than `max_payload_bytes`."""
        if exchange.session is not None:
            self._end(exchange.session, TRANSPORT_ERROR)
        exchange.reply(413)

    def aborted(self, exchange: Exchange) -> None:
        """Handle a client that left before its answer: a polling session ends with any of its requests."""
        exchange.done = True
        session = exchange.session
        if session is not None and session.polling is not None:
            polling = session.polling
            if exchange is polling.poll:
                polling.poll = None
            elif exchange is polling.post:
                polling.post = None
            else:
                return
            self._end(session, TRANSPORT_CLOSE, patient=True)

    @abstractmethod
    def _refuse(self, exchange: Exchange, refusal: Refused) -> None: ...

    def _queue(self, session: Session, packet: bytes) -> bool:
        polling = session.polling
        if polling is None:
            return False
        polling.queue.append(packet)
        polling.queued_bytes += len(packet)
        if polling.queued_bytes > self.options.max_buffered_bytes:
            self.slow_closed += 1
            self._end(session, TRANSPORT_CLOSE)
            return False
        if polling.poll is not None:
            self._flush_soon(session, polling)
        return True

    def _flush_soon(self, session: Session, polling: Polling) -> None:
        # Later in this tick: outside the callback of another socket, and one answer for all the packets of a tick.
        if not polling.flushing:
            polling.flushing = True
            self._loop.call_soon(self._flush, session)

    def _flush(self, session: Session) -> None:
        polling = session.polling
        if polling is None:
            return
        polling.flushing = False
        if polling.poll is None or not (polling.queue or polling.probed):
            return
        exchange, polling.poll = polling.poll, None
        batch = _next(polling.queue)
        polling.queued_bytes -= sum(map(len, batch))
        exchange.reply(200, packets.join(batch) if batch else packets.NOOP)

    def _join(self, session: Session, polling: Polling, topic: str) -> None:
        polling.topics.add(topic)
        self._pollers.setdefault(topic, set()).add(session)

    def _leave(self, session: Session, polling: Polling, topic: str) -> None:
        polling.topics.discard(topic)
        pollers = self._pollers.get(topic)
        if pollers is not None:
            pollers.discard(session)
            if not pollers:
                del self._pollers[topic]

    def _publish_to_pollers(self, topic: str, frame: bytes, binary: bool) -> None:
        pollers = self._pollers.get(topic)
        if pollers:
            packet = packets.pollable(frame, binary)
            for session in list(pollers):
                self._queue(session, packet)

    def _end_polling(self, session: Session, farewell: bytes | None) -> None:
        polling, session.polling = session.polling, None
        assert polling is not None
        for topic in list(polling.topics):
            self._leave(session, polling, topic)
        if polling.probe is not None:
            polling.probe.session = None
            polling.probe.abort()
        unsent = deque([*polling.queue, farewell] if farewell is not None else ())
        if polling.poll is not None and unsent:
            polling.poll.reply(200, packets.join(_next(unsent)))
        elif polling.poll is not None:
            self._refuse(polling.poll, Refused(UNKNOWN_SID))
        if unsent and farewell == packets.CLOSE:  # a client that closed by itself polls no more
            self._unsent[session.sid] = unsent
            self.after(self.options.linger_s, self._drop_unsent, session.sid)

    def _answer_ended(self, exchange: Exchange) -> bool:
        """Answer a poll of an ended session with its unsent packets; return False when it has none."""
        sid = exchange.request.query.get("sid", "")
        unsent = self._unsent.get(sid)
        if unsent is None:
            return False
        exchange.reply(200, packets.join(_next(unsent)))
        if not unsent:
            del self._unsent[sid]
        return True

    def _drop_unsent(self, sid: str) -> None:
        self._unsent.pop(sid, None)


def _next(queue: deque[bytes]) -> list[bytes]:
    """Take the packets of one answer off a queue."""
    return [queue.popleft() for _ in range(min(len(queue), MAX_PACKETS))]
