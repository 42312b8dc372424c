"""Acks to RabbitMQ: one for many messages, and never one for a message that is still being handled."""

import asyncio
import contextlib
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from social.contracts.events import Group
from social.infra.broker import rabbit_deliveries
from social.infra.broker.broker import BrokerAway
from social.infra.broker.rabbit_deliveries import RabbitDeliveries, RabbitDelivery, _Subscription
from social.infra.broker.topology import Topology


class Channel:
    """A channel that records which messages RabbitMQ would take as acked."""

    def __init__(self) -> None:
        self.acked: set[int] = set()
        self.words = 0


def consuming(*channels: Channel) -> RabbitDeliveries:
    """Return deliveries of these channels, without a RabbitMQ."""
    deliveries = RabbitDeliveries(None, Group.FEEDS, 1)  # type: ignore[arg-type]
    for each in channels:
        deliveries.opened(each)
    return deliveries


class Message:
    """A message of a channel, by its tag."""

    def __init__(self, channel: Channel, tag: int) -> None:
        self.channel, self.delivery_tag = channel, tag
        self.redelivered, self.message_id = False, "x"
        self.headers: dict[str, Any] = {}

    async def ack(self, multiple: bool = False) -> None:
        self.channel.words += 1
        self.channel.acked |= set(range(1, self.delivery_tag + 1)) if multiple else {self.delivery_tag}


@given(st.lists(st.integers(1, 12), min_size=1, max_size=12), st.randoms())
def test_what_is_acked_is_what_was_handled(sizes: list[int], dice: Any) -> None:
    async def run() -> None:
        deliveries = consuming(channel := Channel())
        for tag in range(1, sum(sizes) + 1):
            await deliveries.arrived(Message(channel, tag))  # type: ignore[arg-type]
        taken = await deliveries.take(1_000)
        dice.shuffle(taken)
        handled: set[int] = set()
        for size in sizes:
            batch, taken = taken[:size], taken[size:]
            await batch[0].ack(*batch[1:])
            handled |= {each.message.delivery_tag for each in batch}  # type: ignore[attr-defined]
            assert channel.acked == handled

    asyncio.run(run())


async def test_what_came_in_order_is_acked_by_one_word() -> None:
    deliveries = consuming(channel := Channel())
    for tag in range(1, 101):
        await deliveries.arrived(Message(channel, tag))  # type: ignore[arg-type]
    first, *others = await deliveries.take(60)
    await first.ack(*others)
    assert (len(channel.acked), channel.words) == (60, 1)


async def test_what_came_by_several_channels_is_acked_on_each_its_own() -> None:
    deliveries = consuming(one := Channel(), other := Channel())
    for tag in (1, 2, 3):
        for channel in (one, other):
            await deliveries.arrived(Message(channel, tag))  # type: ignore[arg-type]
    taken = await deliveries.take(6)
    await taken[0].ack(*taken[1:3])
    assert (one.acked, other.acked, one.words, other.words) == ({1, 2}, {1}, 1, 1)


async def test_what_a_channel_had_that_is_lost_is_neither_taken_nor_acked() -> None:
    deliveries = consuming(before := Channel())
    for tag in (1, 2, 3):
        await deliveries.arrived(Message(before, tag))  # type: ignore[arg-type]
    taken = await deliveries.take(2)
    deliveries.lost(before)
    deliveries.opened(after := Channel())
    for tag in (1, 2, 3):
        await deliveries.arrived(Message(after, tag))  # type: ignore[arg-type]
    assert not any(each.held for each in taken)
    await taken[0].ack(*taken[1:])
    assert (before.acked, after.acked) == (set(), set()), "they come again on the new channel"
    again = await deliveries.take(6)
    assert [each.message.delivery_tag for each in again] == [1, 2, 3]  # type: ignore[attr-defined]
    await again[0].ack()
    assert after.acked == {1}


async def test_a_message_that_failed_is_acked_after_its_copy_is_confirmed() -> None:
    refused = [BrokerAway("the delay queue is gone")]

    async def publish(delivery: RabbitDelivery, queue: str) -> None:
        assert (queue, channel.acked) == ("feeds", set())
        if refused:
            raise refused.pop()

    deliveries = RabbitDeliveries(publish, Group.FEEDS, 1)
    deliveries.opened(channel := Channel())
    await deliveries.arrived(Message(channel, 1))  # type: ignore[arg-type]
    (message,) = await deliveries.take(1)
    deliveries._subscribed[0] = _Subscription("feeds", channel, channel, "tag")
    with pytest.raises(BrokerAway):
        await message.retry()
    assert channel.acked == set(), "RabbitMQ delivers it again"
    await message.retry()
    assert channel.acked == {1}


async def test_a_cancellation_that_the_driver_swallows_ends_the_wait_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    deliveries, begun = consuming(), asyncio.Event()

    async def swallows() -> None:
        begun.set()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(60)

    monkeypatch.setattr(deliveries, "_adjust", swallows)
    task = asyncio.create_task(deliveries.take(1))
    await begun.wait()
    task.cancel()
    await asyncio.wait([task], timeout=60)
    assert task.cancelled()


class SilentChannel:
    """A channel whose consumer RabbitMQ has, and whose answer that says so does not come."""

    closed = False

    async def initialize(self) -> None: ...

    async def set_qos(self, *, prefetch_count: int) -> None: ...

    async def get_queue(self, name: str, *, ensure: bool) -> "SilentChannel":
        return self

    async def get_underlay_channel(self) -> "SilentChannel":
        return self

    async def consume(self, callback: object) -> None:
        await asyncio.get_running_loop().create_future()

    async def close(self) -> None:
        self.closed = True


async def test_a_channel_whose_consumer_is_confirmed_too_late_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rabbit_deliveries, "CHANGE_S", 0)
    deliveries, channel = RabbitDeliveries(None, Group.FEEDS, 1), SilentChannel()  # type: ignore[arg-type]
    deliveries._connection = SimpleNamespace(channel=lambda publisher_confirms: channel)  # type: ignore[assignment]
    deliveries.share({0: None})
    deliveries._topology = Topology("plaza", 1)
    with pytest.raises(BrokerAway):
        await deliveries.take(1)
    assert channel.closed
    await deliveries.close()
