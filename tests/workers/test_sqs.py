"""The pipeline over SQS where it differs: no message is lost while it is away, killed workers and rights included."""

import asyncio
import json
from datetime import timedelta
from pathlib import Path
from typing import Any
from unittest.mock import AsyncMock

import pytest
from support.eventually import eventually
from support.people import Person
from support.servers import SqsServer
from support.sharing import Company, company
from support.site import Site, system
from support.sqs import operations

from social.contracts.codec import encode
from social.contracts.events import Group
from social.contracts.problems import Unavailable
from social.infra.broker.sqs import SqsBroker
from social.infra.broker.sqs_client import SqsClient, SqsPlace
from social.infra.broker.sqs_deliveries import SqsDeliveries
from social.infra.broker.sqs_partition import SqsPartition
from social.infra.settings import PARTITIONS
from social.infra.store.leases import Lease
from social.ops import parked, queues

pytestmark = pytest.mark.parametrize("broker", ["sqs"])

POLICIES = Path(__file__).parents[2] / "deploy/aws"
ACTIONS = {"SendMessageBatch": "SendMessage", "DeleteMessageBatch": "DeleteMessage"} | {
    "ChangeMessageVisibilityBatch": "ChangeMessageVisibility"
}
JUNK = ["{}", "[" * 10_000, "not JSON", encode({"id": "x", "type": "PostPainted"}).decode(), "y" * 200_000]


async def likes(person: Person, count: int) -> None:
    async def look() -> None:
        assert [each.count for each in await person.notifications() if each.type == "like"] == [count]

    await eventually(look)


async def all_handled(office: Company) -> None:
    async def look() -> None:
        assert office.handled.count == office.sent

    await eventually(look)
    assert office.handled.together == set(), "nobody handles a key while another one does"


async def test_any_message_at_all_is_parked_and_the_next_one_handled(site: Site, ada: Person, bob: Person) -> None:
    broker = site.plaza.broker
    assert isinstance(broker, SqsBroker)
    await broker.ping()
    for body in JUNK:
        await broker.sender(broker.place.queue(Group.NOTIFICATIONS, 0)).send(body)
    await bob.like(await ada.publish("hello"))
    await likes(ada, 1)

    async def all_parked() -> None:
        assert await site.plaza.mongo.count("parked", {}, limit=10) == len(JUNK)

    await eventually(all_parked)
    for row in await parked.listed(site.plaza.mongo):
        assert row["group"] == "notifications"


async def test_no_effect_depends_on_the_order_that_sqs_does_not_keep(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All events wait in the outbox and are published at once; what arrives together is handled newest first."""
    nexts = SqsDeliveries._next
    monkeypatch.setattr(SqsDeliveries, "_next", lambda self, most: nexts(self, most)[::-1])
    monkeypatch.setattr(site.plaza.publisher, "offer", lambda events: None)
    ada, bob, eve = [await site.door.register(name) for name in ("ada", "bob", "eve")]
    posts = [await ada.publish(f"post {number}") for number in range(3)]
    for person in (bob, eve):
        await person.follow(ada)
        for _ in range(2):
            for post in posts:
                await person.like(post)
                await person.unlike(post)
    await bob.unfollow(ada)
    for post in posts[1:]:
        await eve.like(post)
    await ada.delete(posts[2])

    async def as_it_is() -> None:
        assert await site.plaza.mongo.count("outbox", {}, limit=1) == 0
        assert [(await ada.see(post)).likes for post in posts[:2]] == [0, 1]
        profile = await eve.profile(ada)
        assert (profile.followers, profile.posts) == (1, 2)
        assert {entry.id for entry in (await eve.feed()).items} == {post.id for post in posts[:2]}
        assert {each.type: each.count for each in await ada.notifications()} == {"like": 1, "follow": 1}

    await eventually(as_it_is)


async def test_writes_while_sqs_is_away_notify_when_it_is_back(sqs_server: SqsServer, site: Site) -> None:
    ada, bob, eve = [await site.door.register(name) for name in ("ada", "bob", "eve")]
    post = await ada.publish("hello 🙂")
    await bob.like(post)
    await likes(ada, 1)
    await sqs_server.kill()
    await eve.like(post)
    await bob.comment(post, "anybody?")

    async def not_ready() -> None:
        ready = await bob.ask("GET", "/readyz")
        assert (ready.status, ready.body["checks"]["mongo"]) == (503, "ok")

    await eventually(not_ready)
    assert len(await ada.notifications()) == 1
    await sqs_server.start()
    await likes(ada, 2)

    async def everything() -> None:
        seen = await ada.see(post)
        assert (seen.likes, seen.comments) == (2, 1)
        assert {each.type: each.count for each in await ada.notifications()} == {"like": 2, "comment": 1}
        assert (await bob.ask("GET", "/readyz")).status == 200
        assert await site.plaza.mongo.count("outbox", {}, limit=1) == 0

    await eventually(everything)


async def test_the_partitions_of_a_killed_worker_go_to_another_when_its_leases_are_over(
    mongo_url: str, mongo_database: str, broker_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("social.infra.store.members.EVERY_S", 0.1)
    monkeypatch.setattr("social.infra.store.members.LIVES_S", 4.0)
    monkeypatch.setattr("social.infra.broker.sqs_deliveries.LEASE", timedelta(seconds=4))
    async with company(mongo_url, mongo_database, broker_url) as office:
        one, dead = office.worker("one"), office.worker("dead")
        await office.settled()
        await one.broker.publish(office.events(3))
        await all_handled(office)
        assert set(office.owners().values()) == {"one", "dead"}
        dead.pause_s = 60  # the worker is in the middle of a batch, whose result is lost
        await one.broker.publish(office.events(5))

        async def in_the_middle() -> None:
            assert "dead" in office.handled.now.values()

        await eventually(in_the_middle)
        with monkeypatch.context() as silent:  # it neither shows its messages nor gives up its leases
            for kind, method in ((SqsPartition, "close"), (Lease, "give_up")):
                silent.setattr(kind, method, AsyncMock())
            tasks = dead.tasks
            dead.kill()
            await asyncio.wait(tasks)
        office.handled.now.clear()
        await one.broker.publish(office.events(2))
        await all_handled(office)
        assert set(office.owners().values()) == {"one"}


async def test_a_slow_worker_whose_leases_are_over_counts_nothing_twice(
    mongo_url: str, mongo_database: str, broker_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("social.infra.broker.sqs_deliveries.LEASE", timedelta(seconds=1))
    monkeypatch.setattr("social.infra.store.members.EVERY_S", 0.1)
    monkeypatch.setattr("social.infra.store.members.LIVES_S", 4.0)
    async with company(mongo_url, mongo_database, broker_url) as office:
        slow = office.worker("slow")
        blank = {"likes": 0, "comments": 0, "reposts": 0, "version": 0}
        rows = [{"_id": each, "author_id": each, **blank} for each in office.posts]
        mongo = slow.plaza.mongo
        await mongo.insert_missing("posts", rows)
        slow.counts, slow.pause_s = True, 3
        await slow.broker.publish(office.events(1))

        async def in_the_middle() -> None:
            assert office.handled.now

        await eventually(in_the_middle)
        take = Lease.take

        async def unless_slow(lease: Lease) -> bool:
            if lease._mongo is mongo:
                raise Unavailable
            return await take(lease)

        monkeypatch.setattr(Lease, "take", unless_slow)
        slow.tasks.pop(0).cancel()  # the others hear of it no more
        one = office.worker("one")
        one.counts = True

        async def handled_by_both() -> None:
            assert {"slow", "one"} <= {each for by in office.handled.by.values() for each in by}
            found = await mongo.many("posts", {}, fields={"likes": 1})
            assert [each["likes"] for each in found] == [1] * len(office.posts)

        await eventually(handled_by_both)
        await asyncio.sleep(slow.pause_s)  # until its batch ends, which changes nothing
        await handled_by_both()
        assert await mongo.count("inbox", {}, limit=99) == len(office.posts)


async def test_queues_that_were_deleted_hold_up_their_group_alone_until_they_are_made_again(
    mongo_url: str, mongo_database: str, broker_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workers.relay.LEFT_BEHIND", timedelta(seconds=0.3))
    monkeypatch.setattr("social.infra.broker.sqs_sender.REST_S", 0.2)
    url = broker_url.replace("&create=yes", "")
    client = SqsClient(SqsPlace.of(url, "plaza"))
    for queue in client.place.queues(PARTITIONS):
        await queues.make(client, queue)
    async with system(mongo_url, mongo_database, broker_url=url) as site:
        ada, bob, eve = [await site.door.register(name) for name in ("ada", "bob", "eve")]
        post, other = [await ada.publish(text) for text in ("hello", "bye")]
        await bob.like(post)

        async def notified(*counts: int) -> None:
            assert sorted([each.count for each in await ada.notifications()], reverse=True) == [*counts]

        async def counted(count: int) -> None:
            assert (await ada.see(post)).likes == count
            assert await site.plaza.mongo.count("outbox", {}, limit=1) == 0

        await eventually(lambda: counted(1))
        for queue in client.place.queues(PARTITIONS, [Group.COUNTERS]):
            await client.ask("delete_queue", queue)
        await eve.like(post)
        await eventually(lambda: notified(2))
        await bob.like(other)
        await eventually(lambda: notified(2, 1))
        assert (await bob.ask("GET", "/readyz")).status == 200
        assert (await ada.see(post)).likes == 1
        assert await site.plaza.mongo.count("outbox", {}, limit=1) == 1
        await client.forget()
        client = SqsClient(client.place)
        for queue in client.place.queues(PARTITIONS, [Group.COUNTERS]):
            assert await queues.make(client, queue) == "made"
        await eventually(lambda: counted(2))
    await client.forget()


async def test_the_policies_allow_what_the_processes_ask_for_and_nothing_more(
    mongo_url: str, mongo_database: str, broker_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("social.infra.broker.sqs_deliveries.MEASURE_EVERY_S", 0.2)
    monkeypatch.setattr("social.infra.broker.sqs_client.FRESH_S", 0.0)
    client = SqsClient(SqsPlace.of(broker_url.replace("&create=yes", ""), "plaza"))
    with operations() as made:
        for queue in client.place.queues(4):
            assert await queues.make(client, queue) == "made"
        await client.ask("set_queue_attributes", queue, Attributes={"MessageRetentionPeriod": "600"})
        assert await queues.make(client, queue) == "corrected"
        assert await queues.make(client, queue) == "is there"
    await client.forget()
    assert allowed("sqs-operator") == actions(made)
    url = broker_url.replace("&create=yes", "")
    with operations() as asked:
        async with system(mongo_url, mongo_database, broker_url=url, roles=()) as site:
            ada, bob = [await site.door.register(name) for name in ("ada", "bob")]
            await site.plaza.broker.ping()
            await bob.like(await ada.publish("hello"))

            async def sent() -> None:
                assert await site.plaza.mongo.count("outbox", {}, limit=1) == 0

            await eventually(sent)
    assert allowed("sqs-publisher") == actions(asked)
    with operations() as asked:
        async with system(mongo_url, mongo_database, broker_url=url, roles=("notifications", "counters")) as site:
            cleo, dora = [await site.door.register(name) for name in ("cleo", "dora")]
            await dora.like(await cleo.publish("hello"))
            await likes(cleo, 1)
            async with site.plaza.broker.consume(Group.MAIL, 10, site.plaza.members) as deliveries:
                assert await deliveries.take(1)  # and gives it back, unhandled

            async def measured() -> None:
                assert "get_queue_attributes" in asked

            await eventually(measured)
    assert allowed("sqs-worker") == actions(asked)


def allowed(policy: str) -> set[str]:
    """Return the actions that a policy allows: for the queues of `plaza`, and none of `plaza-staging`."""
    document: dict[str, Any] = json.loads((POLICIES / f"{policy}.json").read_text())
    (statement,) = document["Statement"]
    assert statement["Effect"] == "Allow"
    assert statement["Resource"] == [f"arn:aws:sqs:*:*:plaza-{group}-*" for group in Group]
    return set(statement["Action"])


def actions(asked: set[str]) -> set[str]:
    """Return the actions of IAM that operations need: those of a batch are those of each of its messages."""
    names = {"".join(part.title() for part in each.split("_")) for each in asked}
    return {f"sqs:{ACTIONS.get(name, name)}" for name in names}
