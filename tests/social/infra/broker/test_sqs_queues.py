"""Messages in SQS: sent together and in order, shown to one consumer, kept from others, acked and tried again."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from support.eventually import eventually
from support.sqs import Consumer, client_of, queue_of

from social.contracts.codec import decode, encode
from social.infra.broker.broker import BrokerAway
from social.infra.broker.sqs import as_text
from social.infra.broker.sqs_client import SqsClient
from social.infra.broker.sqs_sender import MOST_BYTES, Sender


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Messages are extended and deleted soon, and retried after a second."""
    for name, value in {
        "ON_ITS_WAY_S": 1,
        "EXTEND_EVERY_S": 0.25,
        "ACK_WITHIN_S": 0.05,
        "RETRY_DELAYS_S": (1,),
    }.items():
        monkeypatch.setattr(f"social.infra.broker.sqs_partition.{name}", value)


@pytest.fixture
def soon_visible(monkeypatch: pytest.MonkeyPatch) -> None:
    """Messages are visible again after three seconds, unless they are extended."""
    monkeypatch.setattr("social.infra.broker.sqs_partition.VISIBLE_AGAIN_S", 3)


@pytest.fixture
async def client(sqs_url: str) -> AsyncIterator[SqsClient]:
    async with client_of(sqs_url) as made:
        await made.find([queue_of(made)], create=True)
        yield made


async def left(client: SqsClient) -> dict[str, int]:
    consumer = Consumer(client)
    consumer.partition.end()
    return await consumer.partition.depth()


async def received(consumer: Consumer, count: int) -> None:
    async def look() -> None:
        assert len(consumer.got) == count

    await eventually(look)


async def test_messages_of_a_moment_share_requests_and_keep_their_order(client: SqsClient) -> None:
    asked, ask = list[int](), client.ask

    async def counting(operation: str, queue: str, **how: Any) -> Any:
        asked.append(len(how["Entries"]))
        return await ask(operation, queue, **how)

    client.ask = counting  # type: ignore[method-assign]
    sender = Sender(client, queue_of(client))
    await asyncio.gather(*(sender.send(str(number)) for number in range(25)))
    assert asked == [10, 10, 5]
    client.ask = ask  # type: ignore[method-assign]
    consumer = Consumer(client)
    await received(consumer, 25)
    assert consumer.bodies == [str(number) for number in range(25)]
    consumer.partition.end()


async def test_large_messages_are_sent_apart_and_one_that_is_too_large_is_refused_by_its_size(
    client: SqsClient,
) -> None:
    sender = Sender(client, queue_of(client))
    await asyncio.gather(*(sender.send("x" * 100_000) for _ in range(3)))
    assert (await left(client))["waiting"] == 3
    with pytest.raises(BrokerAway, match=r"a message of 262145 bytes is too large for SQS.* the relay parks its event"):
        await sender.send("x" * (MOST_BYTES + 1))


async def test_any_text_travels_as_ascii(client: SqsClient) -> None:
    said = {"text": "é\ufffe\uffff\x00\ud83d\ude00".encode("utf-16", "surrogatepass").decode("utf-16") + '"\\'}
    text = as_text(encode(said))
    assert text.isascii()
    assert decode(text) == json.loads(text) == said
    await Sender(client, queue_of(client)).send(text)
    consumer = Consumer(client)
    await received(consumer, 1)
    assert decode(consumer.got[0].raw()) == said
    consumer.partition.end()


@pytest.mark.usefixtures("soon_visible")
async def test_a_message_that_is_handled_for_long_is_kept_from_others_and_gone_when_it_is_acked(
    client: SqsClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    await Sender(client, queue_of(client)).send("slow")
    one, two = Consumer(client), Consumer(client)
    await received_by_one(one, two)
    monkeypatch.setattr("social.infra.broker.sqs_partition.VISIBLE_AGAIN_S", 60)  # by its extension
    await asyncio.sleep(4)  # longer than it is hidden without an extension
    assert len(one.got + two.got) == 1
    (delivery,) = one.got + two.got
    assert delivery.held
    await delivery.ack()
    assert not delivery.held

    async def gone() -> None:
        assert set((await left(client)).values()) == {0}

    await eventually(gone)
    for each in (one, two):
        each.partition.end()


async def received_by_one(*consumers: Consumer) -> None:
    async def look() -> None:
        assert any(each.got for each in consumers)

    await eventually(look)


async def test_a_consumer_that_stops_shows_its_messages_to_the_next_at_once(client: SqsClient) -> None:
    sender = Sender(client, queue_of(client))
    await asyncio.gather(*(sender.send(str(number)) for number in range(12)))
    one = Consumer(client)
    await received(one, 12)
    await one.got[0].ack()
    await one.partition.close()
    assert not any(each.held for each in one.got)
    two = Consumer(client)
    await received(two, 11)
    assert sorted(two.bodies) == sorted(one.bodies[1:])
    assert all(each.redelivered for each in two.got)
    await sender.send("later")  # and the request of the first, which still waits, takes none away
    await received(two, 12)
    for each in (one, two):
        each.partition.end()


@pytest.mark.usefixtures("soon_visible")
async def test_without_its_lease_a_consumer_holds_acks_and_retries_nothing(client: SqsClient) -> None:
    await Sender(client, queue_of(client)).send("hello")
    one = Consumer(client)
    await received(one, 1)
    one.lease.is_over = True
    (delivery,) = one.got
    assert not delivery.held
    await delivery.retry()
    await one.partition.close()
    await delivery.ack()
    two = Consumer(client)
    await received(two, 1)
    assert two.bodies == ["hello"]
    assert two.got[0].attempt == 0
    for each in (one, two):
        each.partition.end()


async def test_a_retry_comes_after_its_delay_with_its_attempt(client: SqsClient) -> None:
    await Sender(client, queue_of(client)).send("hello")
    consumer = Consumer(client)
    await received(consumer, 1)
    delays, ask = list[int](), client.ask

    async def noting(operation: str, queue: str, **how: Any) -> Any:
        delays.extend(each["DelaySeconds"] for each in how.get("Entries", ()) if "DelaySeconds" in each)
        return await ask(operation, queue, **how)

    client.ask = noting  # type: ignore[method-assign]
    await consumer.got[0].retry()
    await received(consumer, 2)
    assert delays == [1]
    assert [(each.attempt, each.redelivered) for each in consumer.got] == [(0, False), (1, False)]
    assert consumer.bodies == ["hello", "hello"]
    consumer.partition.end()


async def test_no_more_messages_are_taken_than_there_is_room_for(client: SqsClient) -> None:
    sender = Sender(client, queue_of(client))
    await asyncio.gather(*(sender.send(str(number)) for number in range(40)))
    consumer = Consumer(client, most=15)
    await received(consumer, 20)
    assert (await left(client))["waiting"] == 20
    for each in consumer.got[:20]:
        await each.ack()
    await received(consumer, 40)
    consumer.partition.end()
