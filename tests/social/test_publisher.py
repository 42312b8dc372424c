"""The fast path from a commit to the broker."""

import asyncio
from collections.abc import Sequence

from social.contracts.envelope import Envelope
from social.infra import clock
from social.infra.publisher import Publisher


class Remembering:
    """A broker that takes everything."""

    def __init__(self) -> None:
        self.took: list[str] = []

    async def publish(self, envelopes: Sequence[Envelope]) -> None:
        self.took += [each.id for each in envelopes]


async def test_what_is_queued_when_a_process_stops_is_still_published() -> None:
    """By then its background work has ended."""
    broker = Remembering()
    publisher = Publisher(broker)  # type: ignore[arg-type]
    running = asyncio.create_task(publisher.run())
    await asyncio.sleep(0)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    events = [
        Envelope(id=clock.new_id(), type="PostLiked", v=1, key="x", at=clock.now(), data={"n": n}) for n in range(450)
    ]
    publisher.offer(events)
    await publisher.flush(1.0)
    assert broker.took == [each.id for each in events]
