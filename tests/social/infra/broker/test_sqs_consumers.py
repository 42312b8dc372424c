"""A consumer of SQS whose requests fail in part, whose tasks end, or whose lease is renewed while it is given up."""

import asyncio
import time
from typing import Any

import pytest
from support.eventually import eventually
from support.sqs import Consumer

from social.contracts.events import Group
from social.infra.broker.broker import BrokerAway
from social.infra.broker.sqs_client import SqsPlace
from social.infra.broker.sqs_deliveries import SqsDeliveries
from social.infra.broker.sqs_sender import Sender
from social.infra.store.leases import Lease


class Queue:
    """A client of a queue that has a few messages."""

    place = SqsPlace("eu-central-1", "plaza")

    def __init__(self, *messages: dict[str, Any]) -> None:
        self.messages = [{"ReceiptHandle": str(number)} | each for number, each in enumerate(messages)]
        self.asked: list[tuple[str, Any]] = []
        self.failed: list[dict[str, Any]] = []  # of the next request to extend messages
        self.unexpected: Exception | None = None  # of the next request for messages

    async def ask(self, operation: str, queue: str, **how: Any) -> Any:
        """Answer a request."""
        self.asked.append((operation, how))
        if operation == "receive_message":
            if error := self.unexpected:
                self.unexpected = None
                raise error
            if not self.messages:
                await asyncio.Event().wait()
            some, self.messages = self.messages, []
            return {"Messages": some}
        failed, self.failed = self.failed, []
        return {"Failed": failed}


class Store:
    """A store with a lease, which is slow to write while a test says so."""

    def __init__(self) -> None:
        self.holder: str | None = None
        self.quick = asyncio.Event()
        self.quick.set()
        self.writes = 0

    async def one(self, *_: Any) -> None:
        """Find nothing."""

    async def update(self, _: str, where: Any, change: Any, **how: Any) -> int:
        """Let the lease be taken."""
        self.writes += 1
        await self.quick.wait()
        self.holder = "somebody"
        return 1

    async def delete(self, *_: Any) -> None:
        """Let the lease be given up."""
        self.holder = None


def deliveries(queue: Any, store: Any) -> SqsDeliveries:
    made = SqsDeliveries(queue, store, lambda name: Sender(queue, name), Group.COUNTERS, 100)
    made.open(1)
    return made


async def bodies(of: SqsDeliveries) -> list[str]:
    return [each.raw().decode() for each in await of.take(10, 60.0)]


async def test_a_message_that_sqs_did_not_extend_is_held_no_longer_than_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("social.infra.broker.sqs_partition.EXTEND_EVERY_S", 60.0)  # not by itself meanwhile
    monkeypatch.setattr("social.infra.broker.sqs_partition.PAUSE_S", 0.01)
    queue: Any = Queue(*({"Body": str(number)} for number in range(3)))
    consumer = Consumer(queue)

    async def received() -> None:
        assert len(consumer.got) == 3

    await eventually(received)
    before = [each.visible_at for each in consumer.got]
    queue.failed = [{"Id": "0", "SenderFault": False}, {"Id": "1", "SenderFault": True}]
    extended, again = asyncio.Event(), asyncio.Event()

    async def ask(operation: str, name: str, *, Entries: Any, **how: Any) -> Any:
        if [each["ReceiptHandle"] for each in Entries] == ["0"]:
            extended.set()
            await again.wait()
        return await Queue.ask(queue, operation, name, Entries=Entries, **how)

    queue.ask = ask
    extending = asyncio.create_task(consumer.partition._extend_some(["0", "1", "2"]))
    async with asyncio.timeout(60):
        await extended.wait()
    assert consumer.got[0].visible_at == before[0]
    assert consumer.got[2].visible_at > before[2]
    assert [each.held for each in consumer.got] == [True, False, True]
    again.set()
    await extending
    assert consumer.got[0].visible_at > before[0], "it was tried again"
    consumer.partition.end()


async def test_a_message_that_sqs_may_show_to_others_is_held_no_more() -> None:
    consumer = Consumer(Queue({"Body": "0"}, {"Body": "1"}))

    async def received() -> None:
        assert len(consumer.got) == 2

    await eventually(received)
    consumer.got[0].visible_at = time.monotonic()
    assert [each.held for each in consumer.got] == [False, True]
    consumer.partition.end()


async def test_a_message_without_a_body_is_delivered_to_be_parked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("social.infra.broker.sqs_deliveries.CLOSE_S", 0.05)
    consumer = deliveries(Queue({}, {"Body": "hello"}), Store())
    first, second = await consumer.take(10, 60.0)
    assert (first.raw(), second.raw()) == (b"", b"hello")
    with pytest.raises(ValueError, match="empty document"):
        first.envelope()
    await consumer.close()


async def test_a_receiver_that_an_error_ended_gives_up_its_lease_and_begins_anew(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("social.infra.broker.sqs_deliveries.LEASES_EVERY_S", 0.01)
    queue, store, given_up = Queue({"Body": "hello"}), Store(), list[Lease]()
    queue.unexpected = KeyError("an answer that nobody foresaw")
    give_up = Lease.give_up

    async def noted(lease: Lease) -> None:
        given_up.append(lease)
        await give_up(lease)

    monkeypatch.setattr(Lease, "give_up", noted)
    consumer = deliveries(queue, store)
    assert await bodies(consumer) == ["hello"]
    assert len(given_up) == 1
    assert store.holder, "taken again"
    assert "a partition ended and begins anew" in capsys.readouterr().out
    await consumer.close()


async def test_a_lease_that_is_renewed_while_it_is_given_up_stays_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("social.infra.broker.sqs_deliveries.LEASES_EVERY_S", 0.01)
    opened, begin = list[int](), SqsDeliveries._open

    def noted(consumer: SqsDeliveries, number: int, lease: Lease) -> None:
        opened.append(number)
        begin(consumer, number, lease)

    monkeypatch.setattr(SqsDeliveries, "_open", noted)
    queue, store = Queue({"Body": "hello"}), Store()
    consumer = deliveries(queue, store)
    assert await bodies(consumer) == ["hello"]
    store.quick.clear()
    writes = store.writes
    consumer._leases[0]._renew_at = 0.0  # a third of its time is over

    async def renewing() -> None:
        assert store.writes > writes

    await eventually(renewing)
    consumer.share({0: "another process"})
    taking = asyncio.create_task(consumer.take(10, 0.2))
    await asyncio.sleep(0.05)
    store.quick.set()
    assert await taking == []
    assert store.holder is None
    assert opened == [0]
    await consumer.close()


async def test_a_queue_that_failed_rests_before_it_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("social.infra.broker.sqs_sender.REST_S", 3_600.0)

    class Denied(Queue):
        async def ask(self, operation: str, queue: str, **how: Any) -> Any:
            self.asked.append((operation, how))
            raise BrokerAway("denied")

    queue: Any = Denied()
    sender = Sender(queue, "plaza-counters-0")
    for _ in range(3):
        assert {str(each) for each in await asyncio.gather(*map(sender.send, "a" * 25), return_exceptions=True)} == {
            "denied"
        }
    assert len(queue.asked) == 1
