"""Partitions of groups, shared by workers that come and go: events of a key stay in order."""

import asyncio
import random
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import aio_pika
import pytest
from support.eventually import eventually
from support.network import tunnel
from support.sharing import GROUP, Company, Worker, company

from social.contracts.codec import encode
from social.contracts.envelope import Envelope
from social.infra.broker.topology import Topology, partition
from social.infra.store import members
from social.infra.store.members import assigned

servers = pytest.mark.parametrize("broker", ["rabbit", "sqs"])
rabbit = pytest.mark.parametrize("broker", ["rabbit"])


@pytest.fixture
async def office(
    mongo_url: str, mongo_database: str, broker_url: str, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Company]:
    """Workers that look for each other all the time."""
    monkeypatch.setattr(members, "EVERY_S", 0.1)
    monkeypatch.setattr(members, "LIVES_S", 20.0)
    async with company(mongo_url, mongo_database, broker_url) as made:
        yield made


async def traffic(office: Company, by: Worker, batches: int, every_s: float = 0.03) -> None:
    for _ in range(batches):
        await by.broker.publish(office.events(2))
        await asyncio.sleep(every_s)


async def endless_traffic(office: Company, by: Worker, over: asyncio.Event) -> None:
    while not over.is_set():
        await traffic(office, by, 1)


async def owned_by(office: Company, by: Worker, *names: str) -> None:
    """Wait until these workers handle all keys, each those of its share, and shares are as even as they can be."""
    ids = {each.plaza.members._id: each.name for each in office.workers if each.name in names}
    owners = {(part, ids[id_]) for part, id_ in assigned(GROUP, 4, ids).items()}

    async def look() -> None:
        await traffic(office, by, 3)
        await all_handled(office)
        parts = {(partition(key, 4), owner) for key, owner in office.owners().items()}
        shares = [len([owner for _, owner in parts if owner == name]) for name in names]
        assert parts == owners, "nothing is to change hands any more"
        assert sum(shares) == 4
        assert max(shares) - min(shares) <= 1

    await eventually(look)


async def all_handled(office: Company) -> None:
    async def look() -> None:
        assert office.handled.count == office.sent

    await eventually(look)
    if office.ordered:
        for key, numbers in office.handled.numbers.items():
            assert office.handled.first(key) == sorted(set(numbers)), "events of a key are handled in their order"
    assert office.handled.together == set(), "nobody handles a key while another one does"


@rabbit
async def test_one_worker_handles_all_partitions_in_merged_batches(office: Company) -> None:
    alone = office.worker("alone")
    alone.pause_s = 0.2
    await alone.broker.publish(office.events(20))
    await all_handled(office)
    assert {partition(key, 4) for key in office.handled.by} == {0, 1, 2, 3}
    together = [{partition(key, 4) for key in batch} for batch in alone.batches]
    assert max(map(len, together)) > 2, "one batch is of several partitions"


@rabbit
async def test_workers_share_the_partitions_evenly_and_a_key_is_always_one_workers(office: Company) -> None:
    one, _ = office.worker("one"), office.worker("two")
    await owned_by(office, one, "one", "two")
    handled = {key: len(by) for key, by in office.handled.by.items()}
    await traffic(office, one, 10)
    await all_handled(office)
    assert all(len({*by[handled[key] :]}) == 1 for key, by in office.handled.by.items())


@rabbit
async def test_who_joins_gets_a_share_and_who_leaves_gives_it_back_under_traffic(office: Company) -> None:
    one = office.worker("one")
    over = asyncio.Event()
    sending = asyncio.create_task(endless_traffic(office, one, over))
    await asyncio.sleep(0.7)
    two = office.worker("two")
    await asyncio.sleep(1)
    three = office.worker("three")

    async def all_work() -> None:
        assert set(office.owners().values()) == {"one", "two", "three"}

    await eventually(all_work)
    await two.stop()
    over.set()
    await sending
    await all_handled(office)
    await owned_by(office, one, "one", "three")
    assert three.batches


@rabbit
async def test_the_partitions_of_a_killed_worker_go_on_at_once(office: Company, amqp_url: str) -> None:
    one = office.worker("one")
    async with tunnel([urlsplit(amqp_url).port or 0], random.Random(1)) as way:
        url = amqp_url.replace(f":{urlsplit(amqp_url).port}/", f":{way.port}/")
        dead = office.worker("dead", broker_url=url)
        await owned_by(office, one, "one", "dead")
        dead.pause_s = 60  # the worker is in the middle of a batch, whose result is lost
        await one.broker.publish(office.events(5))
        await asyncio.sleep(0.2)
        way.close()
        dead.kill()
        office.handled.now.clear()
        begun = asyncio.get_running_loop().time()
        await one.broker.publish(office.events(5))
        await all_handled(office)
        assert asyncio.get_running_loop().time() - begun < members.LIVES_S, "before anybody knows that it is dead"
    assert set(office.owners().values()) == {"one"}


@rabbit
async def test_poison_in_one_partition_does_not_hold_up_the_others(office: Company) -> None:
    one, two = office.worker("one"), office.worker("two")
    await office.settled()
    poisoned = office.posts[0]
    one.poison = two.poison = f"post:{poisoned}"
    others = [each for each in office.posts if each != poisoned]
    await one.broker.publish(office.events(1, [poisoned]) + office.events(3, others))

    async def look() -> None:
        assert office.handled.count == 3 * len(others)

    await eventually(look)
    one.poison = two.poison = None
    await all_handled(office)  # it comes back to where it was, and is handled
    assert len(office.handled.by[f"post:{poisoned}"]) == 1


@rabbit
async def test_without_heartbeats_everything_goes_on(office: Company, monkeypatch: pytest.MonkeyPatch) -> None:
    async def unavailable(self: members.Members) -> None:
        raise members.Unavailable

    monkeypatch.setattr(members.Members, "refresh", unavailable)
    one, two = office.worker("one"), office.worker("two")
    await traffic(office, one, 10)
    await all_handled(office)
    await one.stop()
    await two.broker.publish(office.events(3))
    await all_handled(office)


@servers
async def test_what_was_given_up_is_handled_by_the_next_and_not_here(
    office: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker that holds a large share gives most of it back, so that the others need not wait."""
    monkeypatch.setattr("workers.lanes.MOST_AT_ONCE", 16)
    one = office.worker("one")
    one.may_go_on.clear()
    await one.broker.publish(office.events(40))
    two = office.worker("two")

    async def known() -> None:
        await office.settled()
        assert not one.plaza.members.alone(GROUP)

    await eventually(known)
    one.may_go_on.set()
    await all_handled(office)
    given = [key for key, by in office.handled.by.items() if by[-1] == "two"]
    assert given, "of 16 posts, each worker has some"
    assert sum(map(len, two.batches)) > 40 * len(given) / 2


@rabbit
@pytest.mark.parametrize("count", [1, 2, 3, 4, 5])
def test_shares_are_as_even_as_they_can_be_and_the_same_for_all(count: int) -> None:
    workers = [f"worker-{n}" for n in range(count)]
    owners = assigned("feeds", 4, workers)
    assert owners == assigned("feeds", 4, workers[::-1])
    sizes = [list(owners.values()).count(each) for each in workers]
    assert max(sizes) - min(sizes) <= 1
    assert set(owners) == {0, 1, 2, 3}


@rabbit
def test_a_key_has_the_same_partition_in_every_process_and_release() -> None:
    keys = ("post:65a1b2c3d4e5f60718293a4b", "user:65a1b2c3d4e5f60718293a4b", "email:ädä@example.org")
    assert [partition(key, 4) for key in keys] == [PLACES[key] for key in keys]


PLACES = {
    "post:65a1b2c3d4e5f60718293a4b": 2,
    "user:65a1b2c3d4e5f60718293a4b": 0,
    "email:ädä@example.org": 0,
}


@rabbit
async def test_an_event_that_fails_comes_back_to_its_own_partition(office: Company, amqp_url: str) -> None:
    """The delay queue returns an event to the queue it came from."""
    one = office.worker("one")
    post = next(each for each in office.posts if partition(f"post:{each}", 4) == 3)
    one.poison = f"post:{post}"
    await one.broker.publish(office.events(1, [post]))
    await asyncio.sleep(0.3)
    await one.stop()
    async with await aio_pika.connect(amqp_url) as connection, connection.channel() as channel:
        queues = {n: await channel.get_queue(Topology("plaza").queue(GROUP, n)) for n in range(4)}

        async def back() -> None:
            waiting = {n: (await each.declare()).message_count for n, each in queues.items()}
            assert waiting == {0: 0, 1: 0, 2: 0, 3: 1}

        await eventually(back)


@servers
async def test_while_the_number_of_partitions_changes_nothing_is_lost_and_nothing_doubled(
    office: Company, broker_url: str
) -> None:
    """The number goes from 2 to 5 and down to 1, process by process, while all of them publish and consume."""
    two = office.worker("two", partitions=2)
    blank = {"likes": 0, "comments": 0, "reposts": 0, "version": 0}
    await two.plaza.mongo.insert_missing("posts", [{"_id": each, "author_id": each, **blank} for each in office.posts])
    two.counts = True
    await traffic(office, two, 10)
    five = office.worker("five", partitions=5)
    five.counts = True
    await asyncio.gather(traffic(office, two, 15), traffic(office, five, 15))
    await two.stop()
    await traffic(office, five, 10)
    one = office.worker("one", partitions=1)
    one.counts, mongo = True, one.plaza.mongo
    await asyncio.gather(traffic(office, one, 15), traffic(office, five, 15))
    await five.broker.publish(office.events(5))  # and goes, so that whoever knows of one partition has to finish it
    await five.stop()
    await traffic(office, one, 10)

    async def counted() -> None:
        likes = {row["_id"]: row["likes"] for row in await mongo.many("posts", {}, fields={"likes": 1})}
        assert sum(likes.values()) == office.sent
        assert set(likes.values()) == {office.sent // len(office.posts)}

    await eventually(counted)
    assert await mongo.count("inbox", {}, limit=office.sent + 1) == office.sent
    assert await mongo.count("parked", {}, limit=1) == 0
    if not office.ordered:
        return
    async with await aio_pika.connect(broker_url) as connection, connection.channel() as channel:
        for number in range(5):
            queue = await channel.declare_queue(Topology("plaza").queue(GROUP, number), passive=True)
            found = queue.declaration_result
            assert (found.message_count, found.consumer_count) == (0, 1), "the worker of one partition has all five"


@rabbit
async def test_what_a_release_of_one_queue_left_and_still_sends_is_handled(office: Company, amqp_url: str) -> None:
    """An earlier release published with the name of the event as routing key, to queues bound to it."""
    limits = {"x-queue-type": "quorum", "x-single-active-consumer": True, "x-delivery-limit": 2**31 - 1}
    async with await aio_pika.connect(amqp_url) as connection, connection.channel() as channel:
        exchange = await channel.declare_exchange("plaza.events", aio_pika.ExchangeType.TOPIC, durable=True)
        queue = await channel.declare_queue("plaza.counters", durable=True, arguments=limits)
        await queue.bind(exchange, "post.liked")

        async def as_before(events: list[Envelope]) -> None:
            for each in events:
                await exchange.publish(aio_pika.Message(encode(each)), "post.liked", mandatory=True)

        sender = office.worker("sender")
        await sender.stop()
        await as_before(office.events(2))
        new = office.worker("new")
        await new.broker.publish(office.events(2))
        await as_before(office.events(2))

        async def handled() -> None:
            assert office.handled.count == office.sent

        await eventually(handled)
    assert sum(map(len, office.handled.numbers.values())) == office.sent, "each once"
