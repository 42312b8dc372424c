"""A person's stream: numbered without holes, also where an older release appends to it meanwhile."""

import asyncio
from collections.abc import AsyncIterator, Sequence

import pytest
from support.commands import recording

from social.infra import clock
from social.infra.store.mongo import Mongo, Transaction
from social.notifications import streams
from social.notifications.streams import Entry, Item

ADA = "a" * 24


@pytest.fixture
async def mongo(mongo_url: str, mongo_database: str) -> AsyncIterator[Mongo]:
    mongo = Mongo(mongo_url, mongo_database)
    await mongo.insert("streams", streams.new(ADA))
    yield mongo
    mongo.close()


def entries(first: int, last: int) -> list[Entry]:
    return [Entry(f"{number:024x}", 1, "notification") for number in range(first, last + 1)]


def items(first: int, last: int) -> list[Item]:
    return [Item(number, *entry) for number, entry in zip(range(first, last + 1), entries(first, last), strict=True)]


async def by_an_older_release(mongo: Mongo, appended: Sequence[Item]) -> None:
    pushed = {"$each": [each._asdict() for each in appended], "$slice": -streams.WINDOW}
    change = {"$set": {"seq": appended[-1].s, "paced_until": clock.now()}, "$push": {"items": pushed}}
    assert await mongo.update("streams", {"_id": ADA, "seq": appended[0].s - 1}, change)


async def after(mongo: Mongo, seq: int) -> list[Item] | None:
    epoch = (await streams.position(mongo, ADA)).epoch
    missed = await streams.since(mongo, ADA, f"{epoch}.{seq}")
    return missed.items if missed.recovered else None


def test_an_item_is_what_its_entry_says() -> None:
    for k in ("0" * 24, "read|all|2026-12-01", ""):
        item = Item(7, k, 3, "notifications.read")
        assert Item.of_entry(item.entry) == item


async def test_only_the_last_items_are_kept(mongo: Mongo) -> None:
    await streams.append(mongo, ADA, entries(1, streams.WINDOW + 3))
    assert await after(mongo, 3) == items(4, streams.WINDOW + 3)
    assert await after(mongo, 2) is None


async def test_a_stream_that_two_releases_append_to_in_turns_has_no_hole(mongo: Mongo) -> None:
    await by_an_older_release(mongo, items(1, 3))
    await streams.append(mongo, ADA, entries(4, 5))
    row = await mongo.one("streams", {"_id": ADA})
    assert row is not None
    assert row["items"] == [], "an older gateway has its clients fetch again, for it knows no entries"
    await by_an_older_release(mongo, items(6, 7))
    for seq in range(8):
        assert await after(mongo, seq) == items(seq + 1, 7)
    _, known = await streams.append(mongo, ADA, [*entries(7, 7), *entries(8, 8)])
    assert known == items(7, 8), "what an older release appended keeps its number"
    assert await after(mongo, 0) == items(1, 8)


async def test_of_two_who_append_at_once_one_looks_again(mongo: Mongo, mongo_url: str, mongo_database: str) -> None:
    other = Mongo(mongo_url, mongo_database)
    attempts: list[int] = []

    async def late(tx: Transaction) -> list[Item]:
        attempts.append(tx.attempt)
        head = (await streams.heads(tx, [ADA], whole=True))[ADA]
        if not tx.attempt:
            await streams.append(other, ADA, entries(1, 2))
        return streams.number(tx, ADA, head, entries(3, 3))

    numbered, _ = await mongo.transact(late)
    other.close()
    assert (numbered, attempts) == (items(3, 3), [0, 1])
    assert await after(mongo, 0) == items(1, 3)


async def test_what_is_appended_again_keeps_its_number(mongo: Mongo) -> None:
    await streams.append(mongo, ADA, entries(1, 3))
    _, again = await streams.append(mongo, ADA, entries(2, 4))
    assert again == items(2, 4)
    assert await after(mongo, 0) == items(1, 4)


async def test_streams_that_are_read_together_share_commands_and_are_read_as_a_majority_has_them(
    mongo: Mongo, mongo_url: str, mongo_database: str
) -> None:
    people = [f"{number:024x}" for number in range(50)]
    await mongo.insert_missing("streams", [streams.new(each) for each in people])
    with recording() as commands:
        gateway = Mongo(mongo_url, mongo_database)
        fresh = await asyncio.gather(*(streams.position(gateway, each) for each in people))
        back = await asyncio.gather(
            *(streams.since(gateway, each, at.offset) for each, at in zip(people, fresh, strict=True))
        )
        gateway.close()
    assert all(each.recovered and each.position == at for each, at in zip(back, fresh, strict=True))
    assert len({at.epoch for at in fresh}) == len(people), "each has a stream of their own"
    reads = [command.document for _, command in commands.sent if command.name == "find"]
    assert len(reads) == 4, "two commands of at most 32 streams, each time"
    assert all(each["readConcern"] == {"level": "majority"} for each in reads)
