"""Sending pushes to the gateways that hold a room, by Redis; a push that fails is repaired, never waited for."""

from collections.abc import Sequence
from typing import Any

from social.contracts.codec import encode
from social.contracts.pushes import CONTROL_CHANNEL, SERVER_EVENTS, Push, channel, frame
from social.infra import logs, metrics
from social.infra.redis import AWAY, Redis

log = logs.get("pushes")


class Pushes:
    """Encodes a push once and hands it to Redis, many in one round trip."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def hint(self, rooms: Sequence[str], event: str, data: Any, *, at_ms: int, author: str = "") -> None:
        """State for whoever looks at these rooms now (G4)."""
        assert SERVER_EVENTS[event].kind == "hint"
        encoded = Push("H", at_ms, "", 0, author, frame(event, data)).encode()
        await self.send([(room, encoded) for room in rooms])
        metrics.PUSHES.labels(event=event).inc(len(rooms))

    async def control(self, *messages: dict[str, Any]) -> None:
        """Words to every gateway."""
        await self._publish([(CONTROL_CHANNEL, encode(message)) for message in messages])

    async def send(self, pushes: Sequence[tuple[str, bytes]]) -> None:
        """Hand over encoded pushes, each to its room; never raises for a Redis that is away."""
        await self._publish([(channel(room), encoded) for room, encoded in pushes])

    async def _publish(self, messages: Sequence[tuple[str, bytes]]) -> None:
        if not messages:
            return
        try:
            async with self._redis.pipeline(transaction=False) as pipeline:
                for name, body in messages:
                    pipeline.publish(name, body)
                await pipeline.execute()
        except AWAY as error:
            metrics.PUSHES_LOST.inc(len(messages))
            log.warning("redis away; streams repair themselves", pushes=len(messages), error=str(error))
