"""Pushes to the gateways that hold a room, through Redis; a failed push is repaired later, never waited for."""

from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

from social.contracts.codec import encode
from social.contracts.pushes import CONTROL_CHANNEL, SERVER_EVENTS, Push, channel, frame
from social.infra.observe import logs, metrics
from social.infra.redis.cluster_pipeline import PartlyFailed
from social.infra.redis.redis import AWAY, Redis

log = logs.get("pushes")


class Hint(NamedTuple):
    """The state of a thing for these rooms; `at_ms` is the time of its cause, `author` the person who caused it."""

    rooms: Sequence[str]
    data: Any
    at_ms: int
    author: str = ""
    trace: str | None = None  # the request; by default that of the running task
    answers: str = ""  # the author of the comment or post it replies to


class Pushes:
    """Encodes each push once and publishes many to Redis in a round trip."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def hint(self, rooms: Sequence[str], event: str, data: Any, *, at_ms: int, author: str = "") -> None:
        """Publish the state of a thing to these rooms (G4)."""
        await self.hints(event, [Hint(rooms, data, at_ms, author)])

    async def hints(self, event: str, hints: Sequence["Hint"]) -> None:
        """Publish the states of several things in one round trip."""
        assert SERVER_EVENTS[event].kind == "hint"
        pushes = []
        for rooms, data, at_ms, author, trace, answers in hints:
            body, caused_by = frame(event, data), trace or logs.current_trace()
            encoded = Push("H", at_ms, "", 0, author, body, caused_by, answers).encode()
            pushes += [(room, encoded) for room in rooms]
        await self.send(pushes)
        metrics.PUSHES.labels(event=event).inc(len(pushes))

    async def control(self, *messages: dict[str, Any]) -> None:
        """Publish messages to every gateway."""
        await self._publish([(CONTROL_CHANNEL, encode(message)) for message in messages])

    async def send(self, pushes: Sequence[tuple[str, bytes]]) -> None:
        """Publish encoded pushes, each to its room; never raises for a Redis that is away."""
        await self._publish([(channel(room), encoded) for room, encoded in pushes])

    async def watched(self, rooms: Collection[str]) -> set[str]:
        """Return which rooms a gateway holds at this moment; none while Redis is away, which loses hints anyway.

        Asked after a commit, it spares the reading of what nobody would be pushed: a member joins, waits for the
        channel and then reads, so whoever comes later reads what was committed.
        """
        names = {channel(room).encode(): room for room in rooms}
        if not names:
            return set()
        try:
            held: list[tuple[bytes, int]] = await self._redis.pubsub_numsub(*names)  # type: ignore[assignment]
            return {names[name] for name, gateways in held if gateways}
        except AWAY as error:
            metrics.PUSH_FAILURES.inc(len(names))
            log.warning("redis away; nobody is shown new counts", rooms=len(names), error=str(error))
            return set()

    async def _publish(self, messages: Sequence[tuple[str, bytes]]) -> None:
        if not messages:
            return
        try:
            async with self._redis.pipeline(transaction=False) as pipeline:
                for name, body in messages:
                    pipeline.publish(name, body)
                await pipeline.execute()
        except AWAY as error:
            failed = error.failed if isinstance(error, PartlyFailed) else len(messages)
            metrics.PUSH_FAILURES.inc(failed)
            log.warning("redis away; streams repair themselves", pushes=failed, error=str(error))
