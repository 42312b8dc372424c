"""The engine in the shape of the Engine.IO server that python-socketio works with."""

import logging
from typing import Any

import engineio

from realtime.engine import Engine

log = logging.getLogger(__name__)


class EngineAdapter(engineio.AsyncServer):  # type: ignore[misc]
    """An Engine.IO server for python-socketio: the base class gives the type, the engine does the work."""

    def __init__(self, engine: Engine, **_: Any) -> None:  # the base's would look for a web framework
        self.engine = engine
        self.handlers: dict[str, Any] = {}
        self.async_mode = engine.name
        self.logger = log

    async def send(self, sid: str, data: str | bytes) -> None:
        if isinstance(data, bytes):
            self.engine.send(sid, data, True)
        else:
            self.engine.send(sid, b"4" + data.encode())

    async def send_packet(self, sid: str, pkt: Any) -> None:
        encoded = pkt.encode()
        self.engine.send(sid, encoded if pkt.binary else encoded.encode(), pkt.binary)

    async def get_session(self, sid: str) -> dict[str, Any]:
        return self.engine.store(sid)

    async def save_session(self, sid: str, session: dict[str, Any]) -> None:
        self.engine.store(sid).update(session)

    async def disconnect(self, sid: str | None = None) -> None:
        for each in [sid] if sid is not None else list(self.engine.sessions):
            self.engine.close(each)

    def transport(self, sid: str) -> str:
        return self.engine.transport(sid)

    async def shutdown(self) -> None:
        await self.engine.stop()
