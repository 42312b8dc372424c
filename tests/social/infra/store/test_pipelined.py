"""Commands that are sent together are answered as if each had been sent alone, and none fails for another."""

import asyncio
import threading
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from pymongo import monitoring
from pymongo.errors import AutoReconnect, NetworkTimeout, OperationFailure, WaitQueueTimeoutError
from pymongo.synchronous.pool import Connection
from support.commands import recording_messages
from support.relay import relayed

from social.contracts.problems import Unavailable
from social.infra.observe import logs
from social.infra.store.mongo import InvalidDocument, Mongo, Transaction
from social.infra.store.schema import migrate

COLLECTIONS = ("inbox", "parked", "leases")


@pytest.fixture
def messages() -> Iterator[list[list[str]]]:
    with recording_messages() as sent:
        yield sent


@pytest.fixture
async def mongo(mongo_url: str, mongo_database: str) -> AsyncIterator[Mongo]:
    mongo = Mongo(mongo_url, mongo_database)
    await migrate(mongo)
    for collection in COLLECTIONS:
        await mongo.insert_missing(collection, [{"_id": f"{collection} {n}"} for n in range(3)])
    yield mongo
    mongo.close()


def find(collection: str, **where: Any) -> dict[str, Any]:
    return {"find": collection, "filter": where}


async def test_reads_of_one_moment_are_one_message(mongo: Mongo, messages: list[list[str]]) -> None:
    found = await asyncio.gather(*(mongo.get(each, f"{each} 1") for each in COLLECTIONS), mongo.get("inbox", "none"))
    assert found == [*({"_id": f"{each} 1"} for each in COLLECTIONS), None]
    assert messages == [["find inbox", "find parked", "find leases"]]


async def test_a_refused_command_fails_alone(mongo: Mongo) -> None:
    reads = mongo._reads
    wrong, right = await asyncio.gather(
        reads.read(find("inbox", _id={"$nothing": 1})), reads.read(find("inbox", _id="inbox 1")), return_exceptions=True
    )
    assert isinstance(wrong, OperationFailure)
    assert isinstance(right, dict)
    assert right["cursor"]["firstBatch"] == [{"_id": "inbox 1"}]


async def test_a_command_that_cannot_be_encoded_fails_alone(mongo: Mongo) -> None:
    wrong, right = await asyncio.gather(
        mongo.get("parked", object()),  # type: ignore[arg-type]
        mongo.get("inbox", "inbox 1"),
        return_exceptions=True,
    )
    assert isinstance(wrong, InvalidDocument)
    assert right == {"_id": "inbox 1"}


async def test_after_an_answer_that_cannot_be_read_no_caller_gets_the_answer_of_another(
    mongo: Mongo, monkeypatch: pytest.MonkeyPatch
) -> None:
    receive, times = Connection.receive_message, iter([False, True])

    def broken(conn: Any, request_id: int) -> Any:
        if next(times, False):
            raise ValueError("no BSON")
        return receive(conn, request_id)

    monkeypatch.setattr(Connection, "receive_message", broken)
    for _ in range(2):  # the second time over another connection
        found = await asyncio.gather(*(mongo.get(each, f"{each} 2") for each in COLLECTIONS))
        assert found == [{"_id": f"{each} 2"} for each in COLLECTIONS]


async def test_a_lost_connection_is_replaced_and_the_reads_are_sent_again(mongo_url: str, mongo: Mongo) -> None:
    async with relayed(mongo_url) as relay:
        far = Mongo(relay.url, mongo.database.name)
        try:
            assert await far.get("inbox", "inbox 0")
            relay.drop()
            found = await asyncio.gather(*(far.get(each, f"{each} 1") for each in COLLECTIONS))
            assert found == [{"_id": f"{each} 1"} for each in COLLECTIONS]
        finally:
            far.close()


async def test_a_silent_store_is_unavailable_at_the_deadline(mongo_url: str, mongo_database: str) -> None:
    async with relayed(mongo_url) as relay:
        far = Mongo(relay.url, mongo_database, timeout_s=1.0)
        try:
            await far.get("inbox", "any")
            relay.answers_to_swallow("find")
            with pytest.raises(Unavailable):
                await asyncio.wait_for(far.get("inbox", "other"), 20)
        finally:
            far.close()


async def test_reads_that_wait_for_their_turn_fail_at_their_deadline(
    mongo: Mongo, monkeypatch: pytest.MonkeyPatch
) -> None:
    frozen = threading.Event()
    monkeypatch.setattr(Connection, "send_message", lambda *_: frozen.wait())
    monkeypatch.setattr(mongo._reads, "_timeout_s", 0.1)
    try:
        reads = [mongo._reads.read(find("inbox", _id=str(n))) for n in range(200)]
        failed = await asyncio.wait_for(asyncio.gather(*reads, return_exceptions=True), 30)
        assert {type(each) for each in failed} == {NetworkTimeout}
    finally:
        monkeypatch.undo()
        frozen.set()


async def test_metrics_hear_of_the_end_of_commands_that_could_not_be_sent(
    mongo_url: str, mongo_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    listener = Listener()
    monkeypatch.setattr("social.infra.store.store_metrics.LISTENERS", (listener,))
    mongo = Mongo(mongo_url, mongo_database)

    def broken(*_: Any) -> None:
        raise AutoReconnect("closed")

    try:
        await mongo.ping()
        listener.reported.clear()
        monkeypatch.setattr(Connection, "send_message", broken)
        with pytest.raises(AutoReconnect):
            await mongo._reads.read(find("inbox"))
        assert listener.reported == {("started find", logs.current_trace()): 1, ("failed find", None): 1}
    finally:
        monkeypatch.undo()
        mongo.close()


async def test_a_caller_that_gave_up_costs_the_store_nothing(mongo: Mongo, messages: list[list[str]]) -> None:
    given_up = asyncio.create_task(mongo._reads.read(find("parked", _id="parked 1")))
    await asyncio.sleep(0)
    given_up.cancel()
    assert await mongo.get("inbox", "inbox 1") == {"_id": "inbox 1"}
    assert messages == [["find inbox"]]


async def test_the_writes_of_a_transaction_are_one_message_and_all_or_none_take_effect(
    mongo: Mongo, messages: list[list[str]]
) -> None:
    async def verb(tx: Transaction, parked: str) -> str | None:
        if tx.conflict is None:
            tx.insert("parked", {"_id": parked})
            tx.insert("leases", {"_id": f"new {parked}"})
            tx.update("inbox", {"_id": "inbox 1"}, {"$set": {"of": parked}})
        return tx.conflict

    refused, _ = await mongo.transact(lambda tx: verb(tx, "parked 1"))
    assert refused is not None
    assert await mongo.get("leases", "new parked 1") is None
    assert await mongo.get("inbox", "inbox 1") == {"_id": "inbox 1"}
    messages.clear()
    assert await mongo.transact(lambda tx: verb(tx, "parked new")) is not None
    assert messages == [["insert parked", "insert leases", "update inbox"]]
    assert await mongo.get("inbox", "inbox 1") == {"_id": "inbox 1", "of": "parked new"}


class Listener(monitoring.CommandListener):
    """Counts what the driver reports of commands, and for which request."""

    def __init__(self) -> None:
        self.reported: Counter[tuple[str, str | None]] = Counter()

    def started(self, event: monitoring.CommandStartedEvent) -> None:
        self.reported[f"started {event.command_name}", logs.current_trace()] += 1

    def succeeded(self, event: monitoring.CommandSucceededEvent) -> None:
        self.reported[f"succeeded {event.command_name}", None] += 1

    def failed(self, event: monitoring.CommandFailedEvent) -> None:
        self.reported[f"failed {event.command_name}", None] += 1


async def test_metrics_hear_of_each_command_and_its_request(
    mongo_url: str, mongo_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    listener = Listener()
    monkeypatch.setattr("social.infra.store.store_metrics.LISTENERS", (listener,))
    mongo = Mongo(mongo_url, mongo_database)

    async def read(trace: str, **where: Any) -> None:
        with logs.working_for(trace):
            await mongo._reads.read(find("inbox", **where))

    try:
        await mongo.ping()
        listener.reported.clear()
        await asyncio.gather(read("a"), read("b"), read("c", _id={"$nothing": 1}), return_exceptions=True)
        assert listener.reported == {
            **{("started find", each): 1 for each in "abc"},
            ("succeeded find", None): 2,
            ("failed find", None): 1,
        }
    finally:
        mongo.close()


async def test_a_read_that_got_no_connection_in_time_failed_at_its_deadline(
    mongo: Mongo, monkeypatch: pytest.MonkeyPatch
) -> None:
    def exchange(*_: Any, **__: Any) -> Any:
        raise WaitQueueTimeoutError("no connection was free")

    monkeypatch.setattr("social.infra.store.pipelined.exchange", exchange)
    with pytest.raises(NetworkTimeout):
        await mongo._reads.read(find("inbox", _id="1"))
