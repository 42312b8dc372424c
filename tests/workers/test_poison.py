"""Poison events: retried with delays, parked at last as dead letters, without effect on other events."""

import asyncio
import time
from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from unittest.mock import AsyncMock

import aio_pika
import pytest
from support.eventually import eventually
from support.people import Person
from support.site import Site

import workers.counters
import workers.notifications
import workers.relay
from social.__main__ import main as command
from social.contracts.codec import decode, encode
from social.contracts.envelope import Envelope
from social.contracts.events import Group
from social.contracts.problems import Unavailable, ValidationFailed
from social.infra import clock
from social.infra.broker import outbox
from social.infra.broker.broker import BrokerAway
from social.infra.broker.inbox import ReceivedEvent
from social.infra.process.plaza import Plaza
from social.ops import parked

notify, count = workers.notifications.handle, workers.counters.handle


class Poison:
    """A consumer of notifications that fails for the acts of a certain person."""

    def __init__(self) -> None:
        self.by = ""
        self.tries: list[float] = []
        self.healed = False
        self.counting = asyncio.Event()
        self.counting.set()

    async def handle(self, plaza: Plaza, happened: Sequence[ReceivedEvent]) -> float | None:
        if not self.healed and any(getattr(each.event, "by", None) == self.by for each in happened):
            if len(happened) == 1:
                self.tries.append(time.monotonic())
            raise RuntimeError("cannot digest this")
        return await notify(plaza, happened)

    async def count(self, plaza: Plaza, happened: Sequence[ReceivedEvent], **more: Any) -> None:
        await self.counting.wait()
        await count(plaza, happened, **more)


@pytest.fixture(autouse=True)
def poison(monkeypatch: pytest.MonkeyPatch) -> Poison:
    """Install the poison before the workers start."""
    poison = Poison()
    monkeypatch.setattr(workers.notifications, "handle", poison.handle)
    monkeypatch.setattr(workers.counters, "handle", poison.count)
    return poison


@pytest.fixture
def one_copy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the relay from events that a slow publisher still has: a second copy would be tried beside the first."""
    monkeypatch.setattr(workers.relay, "LEFT_BEHIND", timedelta(minutes=5))


async def rows(site: Site, count: int) -> list[dict[str, Any]]:
    async def look() -> list[dict[str, Any]]:
        found = await parked.listed(site.plaza.mongo)
        assert len(found) == count, found
        return found

    return await eventually(look)


def notified(person: Person, *expected: tuple[str, int]) -> Any:
    async def look() -> None:
        assert [(each.type, each.count) for each in await person.notifications()] == list(expected)

    return eventually(look)


@pytest.mark.usefixtures("one_copy")
@pytest.mark.parametrize("broker", ["local", "rabbit", "sqs"])
async def test_poison_is_retried_with_its_delays_then_parked_while_its_neighbours_pass(
    site: Site, ada: Person, bob: Person, eve: Person, poison: Poison, quick_retries: tuple[float, ...]
) -> None:
    poison.by = eve.id
    post = await ada.publish("hello")
    await asyncio.gather(eve.like(post), bob.like(post), bob.comment(post, "nice"))

    async def neighbours() -> None:
        assert {(each.type, each.count) for each in await ada.notifications()} == {("like", 1), ("comment", 1)}

    await eventually(neighbours)
    (row,) = await rows(site, 1)
    assert (row["group"], row["type"]) == ("notifications", "PostLiked")
    assert row["attempts"] == len(quick_retries) + 1
    assert "cannot digest this" in row["error"]
    waits = [later - earlier for earlier, later in zip(poison.tries[-len(row) :], poison.tries[1:], strict=False)]
    assert len(poison.tries) >= len(quick_retries) + 1
    assert all(waited > delay * 0.8 for waited, delay in zip(waits[-len(quick_retries) :], quick_retries, strict=True))

    async def counted() -> None:
        assert (await ada.see(post)).likes == 2

    await eventually(counted)
    assert await site.plaza.mongo.count("outbox", {}, limit=1) == 0


@pytest.mark.parametrize("broker", ["local", "rabbit", "sqs"])
async def test_what_was_parked_can_be_looked_at_and_sent_again(
    site: Site,
    ada: Person,
    eve: Person,
    poison: Poison,
    mongo_url: str,
    mongo_database: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("MONGO_URL", mongo_url)
    monkeypatch.setenv("MONGO_DATABASE", mongo_database)
    monkeypatch.setenv("COLUMNS", "200")
    poison.by = eve.id
    post = await ada.publish("hello")
    await eve.like(post)
    (row,) = await rows(site, 1)
    assert row["_id"] in await operate(capsys, "parked", "list")
    shown = await operate(capsys, "parked", "show", row["_id"])
    assert post.id in shown
    assert "cannot digest this" in shown
    poison.healed = True
    await operate(capsys, "parked", "replay", row["_id"])
    await notified(ada, ("like", 1))
    assert await parked.listed(site.plaza.mongo) == []

    async def counted() -> None:
        assert (await ada.see(post)).likes == 1
        assert await site.plaza.mongo.count("outbox", {}, limit=1) == 0

    await eventually(counted)
    await operate(capsys, "parked", "show", row["_id"], code="plaza: Not found")
    await operate(capsys, "parked", "show", code="plaza: `parked show` needs the id")


async def test_what_was_parked_for_longer_than_inboxes_remember_is_counted_once(
    site: Site, ada: Person, eve: Person, poison: Poison
) -> None:
    poison.by = eve.id
    post = await ada.publish("hello")
    await eve.like(post)
    (row,) = await rows(site, 1)
    await a_week_later(site, row)
    poison.healed = True

    async def replayed() -> None:  # the outbox row goes a moment after the message is parked
        try:
            await parked.replay(site.plaza.mongo, row["_id"])
        except Unavailable as still_there:
            raise AssertionError from still_there

    await eventually(replayed)
    await notified(ada, ("like", 1))

    async def done() -> None:
        assert await site.plaza.mongo.count("outbox", {}, limit=1) == 0

    await eventually(done)
    assert (await ada.see(post)).likes == 1


async def test_poison_that_is_sent_again_is_no_reason_to_refuse_writes(
    site: Site, ada: Person, eve: Person, poison: Poison, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such an event may be retried for a quarter of an hour, and is as old as its act."""
    monkeypatch.setattr(outbox, "WATCH_EVERY_S", 0.02)
    monkeypatch.setattr(site.plaza.broker, "publish", AsyncMock(side_effect=BrokerAway))
    poison.by = eve.id
    at = clock.now().replace(year=2020)
    event = Envelope.model_validate(envelope("PostLiked", LIKE, id=clock.first_id(at), at=at))
    raw = encode(event).decode()
    row = {"_id": f"notifications:{event.id}", "group": "notifications", "raw": raw, "effect": False}
    await site.plaza.mongo.insert("parked", row)
    watched = outbox.Outbox(site.plaza.mongo)
    watching = asyncio.create_task(watched.watch())
    await parked.replay(site.plaza.mongo, row["_id"])
    await asyncio.sleep(0.3)
    watched.admit()
    await site.plaza.mongo.update("outbox", {"_id": event.id}, {"$unset": {"retries": 1}})

    async def refused() -> None:
        try:
            watched.admit()
        except Unavailable:
            return
        raise AssertionError("an old event waits and writes are admitted")

    await eventually(refused)
    watching.cancel()


async def a_week_later(site: Site, row: dict[str, Any]) -> None:
    """Make an event older than all rows of the inbox."""
    raw = decode(row["raw"])
    await site.plaza.mongo.delete("inbox", {"_id": {"$in": [f"{group}:{raw['id']}" for group in Group]}})
    raw["at"] = clock.now() - timedelta(days=8)
    await site.plaza.mongo.update("parked", {"_id": row["_id"]}, {"$set": {"raw": encode(raw).decode()}})


async def test_what_a_parked_message_says_in_brackets_is_shown_as_it_is(
    site: Site,
    mongo_url: str,
    mongo_database: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("MONGO_URL", mongo_url)
    monkeypatch.setenv("MONGO_DATABASE", mongo_database)
    monkeypatch.setenv("COLUMNS", "200")
    row = {"_id": "feeds:x", "group": "feeds", "type": "[/b]", "attempts": 1, "raw": "[/b]", "at": clock.now()}
    await site.plaza.mongo.insert("parked", row | {"error": "Field required [type=missing] [/b]"})
    for words in (("parked", "list"), ("parked", "show", "feeds:x")):
        shown = await operate(capsys, *words)
        assert "Field required [type=missing] [/b]" in shown


@pytest.mark.usefixtures("one_copy")
async def test_what_was_parked_can_be_discarded(site: Site, ada: Person, eve: Person, poison: Poison) -> None:
    poison.by = eve.id
    await eve.like(await ada.publish("hello"))
    (row,) = await rows(site, 1)
    await parked.discard(site.plaza.mongo, row["_id"])
    poison.healed = True
    await eve.comment(await ada.publish("another"), "nice")
    await notified(ada, ("comment", 1))


async def operate(capsys: pytest.CaptureFixture[str], *words: str, code: object = 0) -> str:
    """Run `python -m social` in a thread of its own, because it starts its own loop."""

    def run() -> None:
        with pytest.raises(SystemExit) as ended:
            command(words)
        assert str(ended.value.code).startswith(str(code))

    await asyncio.to_thread(run)
    return capsys.readouterr().out


def envelope(kind: str, data: dict[str, Any], **more: Any) -> dict[str, Any]:
    fields = {"id": clock.new_id(), "type": kind, "v": 1, "key": "x", "at": clock.now(), "data": data, "trace": None}
    return fields | more


LIKE = {"post_id": "0" * 24, "author_id": "1" * 24, "by": "2" * 24}


@pytest.mark.parametrize(
    "wrong",
    [
        envelope("PostPainted", {"colour": "red"}),
        envelope("PostLiked", LIKE, v=2),
        envelope("PostLiked", {"post_id": "x"}),
        envelope("PostLiked", {}),
    ],
    ids=["another release's event", "a later version", "a wrong field", "no fields"],
)
async def test_an_event_of_another_release_in_the_outbox_is_parked_and_holds_nobody_up(
    site: Site, ada: Person, bob: Person, wrong: dict[str, Any]
) -> None:
    row = {"_id": wrong["id"], **{name: value for name, value in wrong.items() if name != "id"}}
    row["at"] = clock.now().replace(year=2020)
    await site.plaza.mongo.insert("outbox", row)

    async def found() -> None:
        assert {each["type"] for each in await parked.listed(site.plaza.mongo)} == {wrong["type"]}
        assert await site.plaza.mongo.count("outbox", {}, limit=1) == 0

    await eventually(found)
    await bob.like(await ada.publish("hello"))
    await notified(ada, ("like", 1))


BODIES = [
    b"",
    b"\x00\xff\xfe",
    b"hello",
    b"[]",
    b"null",
    b"{}",
    b'{"type": "PostLiked"}',
    b"[" * 100_000,
    encode(envelope("PostPainted", {"colour": "red"})),
    encode(envelope("PostLiked", LIKE, v=99)),
    encode(envelope("PostLiked", {**LIKE, "by": {"$ne": None}})),
    encode(envelope("PostPainted", {"a\x00b": 1, "$set": {"x.y": 1}})),
    encode(envelope("PostPainted", {"big": 2**64 - 1})),
    encode(envelope("PostPainted", {}, v=2**64 - 1)),
    encode(envelope("PostPainted", {"x": "y" * 20_000_000})),
]


@pytest.mark.parametrize("broker", ["rabbit"])
async def test_any_message_at_all_is_parked_and_the_next_one_handled(
    site: Site, ada: Person, bob: Person, broker_url: str
) -> None:
    post = await ada.publish("hello")
    await bob.like(post)
    await notified(ada, ("like", 1))  # the queue is there: a broker drops messages to one that is not
    async with await aio_pika.connect(broker_url) as connection, connection.channel(on_return_raises=True) as channel:
        for body in BODIES:
            message = aio_pika.Message(body, headers={"x-attempt": "many"})
            await channel.default_exchange.publish(message, routing_key="plaza.notifications")
    await bob.comment(post, "nice")
    await notified(ada, ("comment", 1), ("like", 1))
    for row in await rows(site, len(BODIES)):
        assert row["group"] == "notifications"
        assert await parked.shown(site.plaza.mongo, row["_id"])
        if row["type"] is None:
            with pytest.raises(ValidationFailed):
                await parked.replay(site.plaza.mongo, row["_id"])


@pytest.mark.parametrize("broker", ["local"])
async def test_what_is_replayed_while_another_group_still_tries_is_not_lost(
    site: Site, ada: Person, eve: Person, poison: Poison
) -> None:
    """The embedded broker keeps one row for all groups: it is there until the last group is done."""
    poison.by = eve.id
    poison.counting.clear()
    post = await ada.publish("hello")
    await eve.like(post)
    (found,) = await rows(site, 1)
    poison.healed = True
    with pytest.raises(Unavailable):
        await parked.replay(site.plaza.mongo, found["_id"])
    poison.counting.set()

    async def replayed() -> None:
        try:
            await parked.replay(site.plaza.mongo, found["_id"])
        except Unavailable as still_there:
            raise AssertionError from still_there

    await eventually(replayed)
    await notified(ada, ("like", 1))
