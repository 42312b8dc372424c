"""Websockets in memory: an engine for gateways whose wires end in simulated clients."""

from collections.abc import Callable
from typing import Any

from devtools.simulation.network import Network
from realtime.engine import Engine, Exchange
from realtime.engine.session import Session, Wire


class MemoryEngine(Engine):
    """The product's Engine.IO server, whose websockets are objects."""

    name = "memory"

    def __init__(self, options: Any) -> None:
        super().__init__(options)
        self._subscribed: dict[bytes, dict[MemoryWire, None]] = {}

    def accept(self, end: "ClientEnd") -> "MemoryWire":
        """Open a websocket; its open packet is on its way when this returns."""
        wire = MemoryWire(self._subscribed, end)
        self.wire_opened(wire, None, {"REMOTE_ADDR": "127.0.0.1"})
        return wire

    async def _listen(self, host: str, port: int) -> int:
        return port

    def _stop_listening(self) -> None:
        pass

    async def _shut_down(self) -> None:
        pass

    def _publish(self, topic: bytes, frame: bytes, binary: bool) -> None:
        for wire in [*self._subscribed.get(topic, ())]:
            wire.send(frame, binary)

    def _refuse(self, exchange: Exchange, refusal: Any) -> None:
        raise NotImplementedError("simulated clients send no requests")

    def _end_polling(self, session: Session, farewell: bytes | None) -> None:
        raise NotImplementedError("simulated clients do not poll")


class ClientEnd:
    """The client's end of a websocket: frames arrive in order; `arrived` takes each, and None when it has ended."""

    def __init__(self, network: Network, arrived: Callable[[bytes | None], None]) -> None:
        self.network = network
        self._arrived = arrived
        self._at = 0.0
        self.open = True

    def deliver(self, frame: bytes | None) -> None:
        """Have a frame arrive at the client, behind those before it."""
        loop = self.network.loop
        self._at = max(self._at, loop.time() + self.network.latency())
        loop.call_in(loop.world, self._at - loop.time(), self._take, frame)

    def cut(self) -> None:
        """End the connection at the client: what is on its way is lost."""
        self.open = False

    def _take(self, frame: bytes | None) -> None:
        if self.open:
            self._arrived(frame)


class MemoryWire(Wire):
    """The gateway's end of a websocket."""

    __slots__ = ("_end", "_subscribed")

    def __init__(self, subscribed: dict[bytes, dict["MemoryWire", None]], end: ClientEnd) -> None:
        super().__init__()
        self._subscribed, self._end = subscribed, end

    def send(self, frame: bytes, binary: bool) -> bool:
        self._end.deliver(frame)
        return True

    def subscribe(self, topic: bytes) -> None:
        self._subscribed.setdefault(topic, {})[self] = None

    def unsubscribe(self, topic: bytes) -> None:
        self._subscribed.get(topic, {}).pop(self, None)

    def close(self, code: int = 1000) -> None:
        self.abort()

    def abort(self) -> None:
        for subscribed in self._subscribed.values():
            subscribed.pop(self, None)
        self._end.deliver(None)

    def buffered(self) -> int:
        return 0
