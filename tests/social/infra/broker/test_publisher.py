"""The fast path from a commit to the broker."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from support.eventually import eventually

from social.contracts.envelope import Envelope
from social.infra import clock
from social.infra.broker.outbox import Outbox
from social.infra.broker.publisher import AT_ONCE, Publisher
from social.infra.store.mongo import Mongo


class Remembering:
    """A broker that takes every message."""

    def __init__(self) -> None:
        self.took: list[str] = []

    async def publish(self, envelopes: Sequence[Envelope]) -> None:
        self.took += [each.id for each in envelopes]


async def test_what_is_queued_when_a_process_stops_is_still_published() -> None:
    """The background work of the process has ended by then."""
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
    await publisher.flush(60.0)
    assert broker.took == [each.id for each in events]


class Slow(Remembering):
    """A broker that confirms when the test says so."""

    def __init__(self) -> None:
        super().__init__()
        self.confirm = asyncio.Event()

    async def publish(self, envelopes: Sequence[Envelope]) -> None:
        await super().publish(envelopes)
        await self.confirm.wait()


def event(n: int) -> Envelope:
    return Envelope(id=clock.new_id(), type="PostLiked", v=1, key="x", at=clock.now(), data={"n": n})


async def took(broker: Remembering, event_id: str) -> None:
    """Wait until the newest event of a broker is this."""

    async def look() -> None:
        assert broker.took[-1:] == [event_id]

    await eventually(look, every_s=0)


async def test_nobody_waits_for_what_others_are_confirmed() -> None:
    broker = Slow()
    publisher = Publisher(broker)  # type: ignore[arg-type]
    running = asyncio.create_task(publisher.run())
    events = [event(n) for n in range(3)]
    for each in events:
        publisher.offer([each])
        await took(broker, each.id)
    flushed = asyncio.create_task(publisher.flush(60.0))
    await asyncio.sleep(0.01)
    assert not flushed.done(), "what is not confirmed may be lost still"
    broker.confirm.set()
    await flushed
    running.cancel()


async def test_only_so_many_batches_wait_for_their_confirms() -> None:
    broker = Slow()
    publisher = Publisher(broker)  # type: ignore[arg-type]
    running = asyncio.create_task(publisher.run())
    for n in range(AT_ONCE):
        publisher.offer([first := event(n)])
        await took(broker, first.id)
    for n in range(AT_ONCE, 20):
        publisher.offer([last := event(n)])
        await asyncio.sleep(0.001)
    assert len(broker.took) == AT_ONCE
    broker.confirm.set()
    await took(broker, last.id)
    assert len(broker.took) == 20
    running.cancel()


async def test_rows_are_deleted_at_once_when_idle_and_together_when_busy(mongo_url: str, mongo_database: str) -> None:
    mongo, deleted = Mongo(mongo_url, mongo_database), list[int]()
    delete = mongo.delete_by_ids

    async def counted(collection: str, ids: Sequence[str], **more: Any) -> None:
        deleted.append(len(ids))
        await delete(collection, ids, **more)

    mongo.delete_by_ids = counted  # type: ignore[method-assign]
    outbox = Outbox(mongo)
    ids = [f"{n:024x}" for n in range(9)]
    await mongo.insert_missing("outbox", [{"_id": each, "at": clock.now()} for each in ids])
    await asyncio.wait_for(outbox.forget(ids[:1]), 60)
    await asyncio.wait_for(asyncio.gather(*(outbox.forget([each]) for each in ids[1:])), 60)
    assert deleted == [1, 8]
    assert await mongo.count("outbox", {"_id": {"$in": ids}}, limit=1) == 0
    mongo.close()


async def test_what_nobody_waits_for_is_deleted_later_with_the_rest_and_before_the_process_ends(
    mongo_url: str, mongo_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("social.infra.broker.outbox.SOON_S", 3_600.0)
    mongo = Mongo(mongo_url, mongo_database)
    outbox, ids = Outbox(mongo), [f"{n:024x}" for n in range(70)]
    await mongo.insert_missing("outbox", [{"_id": each, "at": clock.now()} for each in ids])
    for each in ids[:-1]:
        outbox.forget_soon([each])
    await asyncio.sleep(0.1)
    assert await mongo.count("outbox", {}, limit=99) == 70
    await asyncio.wait_for(outbox.forget(ids[-1:]), 60)
    assert await mongo.count("outbox", {}, limit=99) == 0, "who waits takes the others along"
    await mongo.insert_missing("outbox", [{"_id": ids[0], "at": clock.now()}])
    outbox.forget_soon(ids[:1])
    await outbox.finish(60)
    assert await mongo.count("outbox", {}, limit=1) == 0
    mongo.close()
