"""The Engine.IO 4 server without I/O: a transport (`uws.py`, `http.py`) reports what arrives and writes the answers."""

import asyncio
from abc import abstractmethod
from typing import Any, ClassVar

from realtime.engine import packets
from realtime.engine.entrance import Entrance, slot_topic
from realtime.engine.session import Session, Wire
from realtime.engine.sessions import SERVER_DISCONNECT, TRANSPORT_CLOSE


class Engine(Entrance):
    """An Engine.IO server. Frames come encoded: text as UTF-8 bytes with its packet type (`42[…]`), binary raw."""

    name: ClassVar[str]

    async def start(self, host: str, port: int) -> int:
        """Listen, and return the port (useful with 0); raises OSError for a port in use."""
        bound = await self._listen(host, port)
        self._start_clock()
        return bound

    async def stop(self) -> None:
        """Take no new connections, no handshakes on open connections, and close all sessions."""
        self.draining = True
        self._stop_listening()
        for session in list(self.sessions.values()):
            self._end(session, SERVER_DISCONNECT, orderly=True)
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._shut_down()
        self._stop_clock()

    def send(self, sid: str, frame: bytes, binary: bool = False) -> bool:
        """Write one frame to one session now; return False when the session has ended or the frame was dropped."""
        session = self.sessions.get(sid)
        if session is None or session.closed:
            return False
        if session.wire is not None:
            return self._write(session, session.wire, frame, binary)
        return self._queue(session, packets.pollable(frame, binary))

    @staticmethod
    def _write(session: Session, wire: Wire, frame: bytes, binary: bool) -> bool:
        if binary and session.base64:
            return wire.send(packets.pollable(frame, True), False)
        return wire.send(frame, binary)

    def publish(self, topic: str, frame: bytes, binary: bool = False) -> None:
        """Write one frame to every session subscribed to the topic."""
        self._publish(topic.encode(), frame, binary)
        if self._pollers:
            self._publish_to_pollers(topic, frame, binary)
        if self.rewritten:
            for session in self.rewritten.sessions(topic):
                if session.wire is not None:
                    self._write(session, session.wire, frame, binary)

    def subscribe(self, sid: str, topic: str) -> None:
        """Have a session receive what is published to a topic."""
        session = self.sessions.get(sid)
        if session is None:
            return
        if session.wire is not None:
            self._subscribe_wire(session, session.wire, topic)
        elif session.polling is not None:
            self._join(session, session.polling, topic)

    def unsubscribe(self, sid: str, topic: str) -> None:
        """Undo `subscribe`."""
        session = self.sessions.get(sid)
        if session is None:
            return
        if session.wire is not None:
            if session.base64:
                self.rewritten.unsubscribe(session, topic)
            else:
                session.wire.unsubscribe(topic.encode())
        elif session.polling is not None:
            self._leave(session, session.polling, topic)

    def close(self, sid: str, reason: str = SERVER_DISCONNECT) -> None:
        """End a session in order: what was written arrives first."""
        if (session := self.sessions.get(sid)) is not None:
            self._end(session, reason, orderly=True)

    def abort(self, sid: str, reason: str = TRANSPORT_CLOSE) -> None:
        """Drop a session's connection; a stock client takes it for a lost network and reconnects by itself."""
        if (session := self.sessions.get(sid)) is not None:
            self._end(session, reason)

    def settle(self, sid: str) -> None:
        """Count one Socket.IO namespace that the session joins; a settled session may stay open without a deadline."""
        if (session := self.sessions.get(sid)) is not None:
            session.settled += 1
            self._unsettled.remove(session)

    def unsettle(self, sid: str) -> None:
        """Count one namespace less; without any left the session has `settle_timeout_s` to join another."""
        if (session := self.sessions.get(sid)) is not None:
            session.settled -= 1
            if session.settled == 0 and not session.finished:
                self._add_unsettled(session, again=True)
            self._start_settle_deadline(session)

    def store(self, sid: str) -> dict[str, Any]:
        """Return a dictionary that lives as long as the session; raises KeyError when the session has ended."""
        session = self.sessions[sid]
        if session.store is None:
            session.store = {}
        return session.store

    def is_open(self, sid: str) -> bool:
        """Return True until the session begins to end."""
        session = self.sessions.get(sid)
        return session is not None and not session.closed

    def transport(self, sid: str) -> str:
        """Return `websocket` or `polling`; raises KeyError when the session has ended."""
        return "websocket" if self.sessions[sid].wire is not None else "polling"

    def buffered(self, sid: str) -> int:
        """Return the bytes that the session's client has not taken yet."""
        session = self.sessions.get(sid)
        if session is None:
            return 0
        if session.wire is not None:
            return session.wire.buffered()
        return session.polling.queued_bytes if session.polling is not None else 0

    def backpressure_bytes(self) -> int:
        """Return the bytes that all clients together have not taken; walks every session."""
        return sum(self.buffered(sid) for sid in self.sessions)

    def _finish(self, session: Session) -> None:
        self.rewritten.forget(session)
        super()._finish(session)

    def _ping(self, slot: int) -> None:
        topic = slot_topic(slot)
        self._publish(topic.encode(), packets.PING, False)
        self._publish_to_pollers(topic, packets.PING, False)

    @abstractmethod
    async def _listen(self, host: str, port: int) -> int: ...

    @abstractmethod
    def _stop_listening(self) -> None: ...

    @abstractmethod
    async def _shut_down(self) -> None: ...

    @abstractmethod
    def _publish(self, topic: bytes, frame: bytes, binary: bool) -> None: ...
