"""The queues again at moto's SQS, which checks what it is given more strictly: receipts, attributes, characters."""

import pytest
from support.eventually import eventually
from support.moto import Moto
from support.sqs import Consumer, client_of, queue_of

from social.contracts.codec import encode
from social.infra.broker.broker import BrokerAway
from social.infra.broker.sqs import as_text
from social.infra.broker.sqs_client import ATTRIBUTES
from social.infra.broker.sqs_sender import MOST_BYTES, Sender
from social.ops import queues

ANY_TEXT = as_text(encode({"text": "\ufffe\uffff é"}))


async def test_every_request_is_one_that_a_strict_sqs_takes(moto: Moto, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("social.infra.broker.sqs_partition.POLL_S", 1)
    monkeypatch.setattr("social.infra.broker.sqs_partition.RETRY_DELAYS_S", (1,))
    async with client_of(f"sqs://eu-central-1?endpoint={moto.url}") as client:
        queue = queue_of(client)
        assert [await queues.make(client, queue) for _ in range(2)] == ["made", "is there"]
        sender = Sender(client, queue)
        await sender.send(ANY_TEXT)
        await sender.send("x" * MOST_BYTES)
        consumer = Consumer(client)

        async def received(count: int) -> None:
            async def look() -> None:
                assert len(consumer.got) == count

            await eventually(look)

        await received(2)
        first, second = sorted(consumer.got, key=lambda each: len(each.body))
        assert (first.body, first.attempt, first.redelivered) == (ANY_TEXT, 0, False)
        assert first.sent_at_ms
        await consumer.partition._extend_some([first.receipt, second.receipt])
        assert first.held
        await first.retry()
        await received(3)
        third = consumer.got[-1]
        assert (third.body, third.attempt, third.redelivered) == (ANY_TEXT, 1, False)
        await second.ack(third)

        async def gone() -> None:
            assert set((await consumer.partition.depth()).values()) == {0}

        await eventually(gone)
        await consumer.partition.close()
        consumer.partition.end()
        found = await queues.attributes(client, queue)
        assert {name: found[name] for name in ATTRIBUTES} == ATTRIBUTES
        with pytest.raises(BrokerAway, match=r"there is no queue plaza-none-0"):
            await client.ask("receive_message", "plaza-none-0")
