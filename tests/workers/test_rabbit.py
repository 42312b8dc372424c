"""Messages that RabbitMQ has not taken into a queue stay: an event in the outbox, a failed message unacked."""

from collections.abc import AsyncIterator, Collection

import aio_pika
import pytest
from support.site import Site, system

from social.contracts.events import Group
from social.infra.broker.broker import BrokerAway
from social.infra.broker.topology import Topology
from workers import relay

pytestmark = pytest.mark.parametrize("broker", ["rabbit"])

TOPOLOGY = Topology("plaza", 1)


@pytest.fixture
async def site(
    mongo_url: str, mongo_database: str, broker_url: str, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Site]:
    """An API whose events stay in the outbox, over a RabbitMQ with all its queues."""
    async with system(mongo_url, mongo_database, broker_url=broker_url, roles=(), partitions=1) as site:
        monkeypatch.setattr(site.plaza.publisher, "offer", lambda envelopes: None)
        await site.plaza.broker.ping()
        yield site


async def delete(broker_url: str, queues: Collection[str]) -> None:
    """Delete queues, as an operator might."""
    async with await aio_pika.connect(broker_url) as connection, connection.channel() as channel:
        for queue in queues:
            await channel.queue_delete(queue)


async def test_an_event_that_no_queue_takes_stays_in_the_outbox(site: Site, broker_url: str) -> None:
    await (await site.door.register("ada")).publish("hello")
    rows = await site.plaza.outbox.due(relay.timedelta(0), 10)
    await delete(broker_url, TOPOLOGY.queues())
    with pytest.raises(BrokerAway):
        await site.plaza.broker.publish(rows)
    await site.plaza.outbox.finish(5)
    assert await site.plaza.outbox.due(relay.timedelta(0), 10) == rows


async def test_a_failed_message_that_no_delay_queue_takes_comes_again(site: Site, broker_url: str) -> None:
    await (await site.door.register("ada")).publish("hello")
    await site.plaza.broker.publish(await site.plaza.outbox.due(relay.timedelta(0), 10))
    async with site.plaza.broker.consume(Group.FEEDS, 10, site.plaza.members) as deliveries:
        (failed,) = await deliveries.take(10)
        await delete(broker_url, [TOPOLOGY.delay(0)[0]])
        with pytest.raises(BrokerAway):
            await failed.retry()
    async with site.plaza.broker.consume(Group.FEEDS, 10, site.plaza.members) as deliveries:
        (again,) = await deliveries.take(10)
    assert (again.envelope(), again.redelivered) == (failed.envelope(), True)
