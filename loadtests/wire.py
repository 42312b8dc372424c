"""A thin Socket.IO client over one websocket: a load is to measure the time of the server, not of the client.

python-socketio's client starts a greenlet for each event and three for each connection, and cannot resume; plaza_client
itself runs on asyncio, and Locust on gevent. Its frames are used here.
"""

import itertools
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import gevent
import orjson
import websocket
from gevent import event as gevent_event
from gevent.event import AsyncResult

from plaza_client.core import packets
from plaza_client.core.packets import Acked, Connected, Ended, Event, Opened, Pinged, Refused

Receive = Callable[[str, Any, str | None], None]  # event, data, offset


class Problem(Exception):
    """The server answered with a problem; `body` is the problem document."""

    def __init__(self, status: int, body: Any) -> None:
        super().__init__(f"{status} {body.get('code', '') if isinstance(body, dict) else ''}".strip())
        self.status = status


class Refusal(Exception):
    """The server refused CONNECT; `problem` says why, as REST would."""

    def __init__(self, problem: dict[str, Any]) -> None:
        super().__init__(str(problem.get("code", "refused")))
        self.problem = problem


class Gone(Exception):
    """The connection ended before the answer came."""


class Wire:
    """A connection, from its CONNECT to its end; a new connection is a new object."""

    def __init__(self, url: str, receive: Receive) -> None:
        """Make a client for the server's http or https `url`; `receive` is called for each event, in order."""
        self._url = "ws" + url.removeprefix("http").rstrip("/") + "/socket.io/?EIO=4&transport=websocket"
        self._receive = receive
        self._socket: websocket.WebSocket | None = None
        self._reader: gevent.Greenlet | None = None
        self._answer: AsyncResult = AsyncResult()
        self._acks: dict[int, AsyncResult] = {}
        self._numbers = itertools.count(1)
        self.ended = gevent_event.Event()
        self.pid = ""
        self.engine_sid = ""

    @property
    def node(self) -> str:
        """Return the name of the gateway at the other end, if it has a name; load balancers route by it, too."""
        return self.engine_sid.rpartition(".")[0]

    def open(self, auth: dict[str, Any], timeout_s: float) -> None:
        """Connect; raises Refusal, Gone, OSError, gevent.Timeout or websocket.WebSocketException."""
        with gevent.Timeout(timeout_s):
            options = {
                "skip_utf8_validation": True,
                "suppress_origin": True,
            }  # no browser, no origin
            self._socket = websocket.create_connection(self._url, **options)
            self._reader = gevent.spawn(self._read, self._socket)
            self._socket.send(packets.connect(**auth))
            self.pid = self._answer.get()

    def call(self, event: str, message: Any, timeout_s: float) -> Any:
        """Send a message and return its ack; raises Gone or gevent.Timeout."""
        number = next(self._numbers)
        ack = self._acks[number] = AsyncResult()
        try:
            self._send(packets.message(number, event, message))
            with gevent.Timeout(timeout_s):
                return ack.get()
        finally:
            self._acks.pop(number, None)

    def cut(self) -> None:
        """Cut the connection without disconnecting first."""
        if self._socket is not None:
            self._socket.shutdown()
        if self._reader is not None:
            self._reader.join(5)

    def close(self) -> None:
        """Disconnect and close the connection."""
        if not self.ended.is_set():
            with suppress(Gone):
                self._send(packets.DISCONNECT)
        self.cut()

    def _send(self, frame: str) -> None:
        if self._socket is None or self.ended.is_set():
            raise Gone
        try:
            self._socket.send(frame)
        except (OSError, websocket.WebSocketException) as error:
            raise Gone(str(error)) from None

    def _read(self, connection: websocket.WebSocket) -> None:
        try:
            while frame := connection.recv():
                self.handle(frame)
        except (OSError, websocket.WebSocketException, Gone):
            pass
        finally:
            self.ended.set()
            connection.shutdown()
            for waiting in (self._answer, *self._acks.values()):
                if not waiting.ready():
                    waiting.set_exception(Gone())

    def handle(self, frame: str) -> None:
        """Handle a frame of the server."""
        match packets.decode(frame, orjson.loads):
            case Event(name, data, offset):
                self._receive(name, data, offset)
            case Acked(number, answer):
                if waiting := self._acks.get(number):
                    waiting.set(answer)
            case Pinged():
                self._send(packets.PONG)
            case Opened(sid):
                self.engine_sid = sid
            case Connected(pid):
                self._answer.set(pid)
            case Refused(problem):
                self._answer.set_exception(Refusal(problem))
            case Ended():
                raise Gone
