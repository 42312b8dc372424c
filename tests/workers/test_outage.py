"""Servers that go away and come back while people write: nothing acknowledged is lost, nothing is notified twice."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import aio_pika
import pytest
from conftest import require
from support.eventually import LONG_S, eventually
from support.people import Person
from support.servers import RabbitServer
from support.site import Site

pytestmark = pytest.mark.parametrize("broker", ["rabbit"])


@pytest.fixture
async def rabbit(tmp_path: Path) -> AsyncIterator[RabbitServer]:
    """A RabbitMQ that the test may kill."""
    require(RabbitServer)
    server = RabbitServer(tmp_path / "rabbit")
    await server.start()
    yield server
    await server.kill()
    await server.stop()


@pytest.fixture
def broker_url(rabbit: RabbitServer) -> str:
    return rabbit.url


async def notified(person: Person, count: int) -> None:
    async def look() -> None:
        assert [each.count for each in await person.notifications() if each.type == "like"] == [count]

    await eventually(look)


async def test_writes_while_rabbitmq_is_down_notify_when_it_is_back(rabbit: RabbitServer, site: Site) -> None:
    ada, bob, eve = [await site.door.register(name) for name in ("ada", "bob", "eve")]
    post = await ada.publish("hello")
    await bob.like(post)
    await notified(ada, 1)  # consumers are there, and their queues
    await rabbit.save()
    await rabbit.kill()
    await eve.like(post)
    comment = await bob.comment(post, "anybody?")

    async def not_ready() -> None:
        ready = await bob.ask("GET", "/readyz")
        assert (ready.status, ready.body["checks"]["mongo"]) == (503, "ok")

    await eventually(not_ready)
    assert (await ada.see(post)).text == "hello"
    assert len(await ada.notifications()) == 1
    await rabbit.start()
    await notified(ada, 2)

    async def everything() -> None:
        seen = await ada.see(post)
        assert (seen.likes, seen.comments) == (2, 1)
        assert {each.type: each.count for each in await ada.notifications()} == {"like": 2, "comment": 1}
        assert (await bob.ask("GET", "/readyz")).status == 200
        assert await site.plaza.mongo.count("outbox", {}, limit=1) == 0

    await eventually(everything)
    assert comment.text == "anybody?"
    await eve.unlike(post)

    async def taken_back() -> None:
        assert (await ada.see(post)).likes == 1

    await eventually(taken_back)


async def test_a_message_is_kept_however_often_its_consumer_went_away(rabbit: RabbitServer, site: Site) -> None:
    """RabbitMQ 4 drops a message at its 20th delivery, unless it is configured otherwise."""
    await site.plaza.broker.ping()
    await site.tasks.cancel()
    limits = {"x-queue-type": "quorum", "x-single-active-consumer": True, "x-delivery-limit": 2**31 - 1}
    async with await aio_pika.connect(rabbit.url) as connection, connection.channel() as channel:
        await channel.set_qos(1)
        queue = await channel.declare_queue("plaza.notifications", durable=True, arguments=limits)
        await channel.default_exchange.publish(aio_pika.Message(b"hello"), routing_key=queue.name)
        async with asyncio.timeout(LONG_S), queue.iterator() as messages:
            for _ in range(25):
                await (await anext(messages)).nack()
            await (await anext(messages)).ack()


async def test_a_rabbitmq_that_lost_its_queues_is_set_up_again(rabbit: RabbitServer, site: Site) -> None:
    ada, bob, eve = [await site.door.register(name) for name in ("ada", "bob", "eve")]
    post = await ada.publish("hello")
    await bob.like(post)
    await notified(ada, 1)
    queues = ("plaza.notifications", "plaza.counters", "plaza.feeds")
    async with await aio_pika.connect(rabbit.url) as connection:
        async with connection.channel() as channel:
            for queue in queues:
                await channel.queue_delete(queue)
            await channel.exchange_delete("plaza.events")

        async def consumed() -> None:
            async with connection.channel() as channel:
                for queue in queues:
                    try:
                        declared = await channel.declare_queue(queue, passive=True)
                    except aio_pika.exceptions.ChannelNotFoundEntity as error:
                        raise AssertionError(queue) from error
                    assert declared.declaration_result.consumer_count

        await eventually(consumed)
    await eve.like(post)
    await notified(ada, 2)
