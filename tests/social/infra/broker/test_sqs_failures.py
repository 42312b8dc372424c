"""An SQS that refuses, throttles, forgets or is away: one clear line, or a retry that loses nothing."""

from collections import Counter
from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from typing import Any

import pytest
from support.patience import PATIENT_S
from support.sqs import QUEUE, Answer, Scripted, client_of, refusal, scripted

from social.contracts.events import Event, PostLiked, TimelineWanted
from social.infra import clock
from social.infra.broker.broker import BrokerAway, BrokerRefuses, PartlyAccepted
from social.infra.broker.sqs import SqsBroker
from social.infra.broker.sqs_client import SqsClient, SqsPlace
from social.infra.settings import StartError
from social.infra.store.mongo import Mongo, Transaction

PLACE = "sqs://eu-central-1"


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"AWS_ACCESS_KEY_ID": "first", "AWS_SECRET_ACCESS_KEY": "of-a-test"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("social.infra.broker.sqs.PING_S", PATIENT_S)


@pytest.fixture
async def server() -> AsyncIterator[Scripted]:
    async with scripted() as running:
        yield running


@pytest.fixture
async def client(server: Scripted) -> AsyncIterator[SqsClient]:
    async with client_of(f"{PLACE}?endpoint={server.url}") as made:
        yield made


class Rows:
    """An outbox that remembers which rows are to be deleted."""

    mongo = None

    def __init__(self) -> None:
        self.gone: list[str] = []

    async def announce_partitions(self, partitions: int) -> None:
        pass

    def forget_soon(self, ids: list[str]) -> None:
        self.gone += ids


def likes(count: int) -> Any:
    return recorded(
        PostLiked(post_id=clock.new_id(), author_id=clock.new_id(), by=clock.new_id()) for _ in range(count)
    )


def recorded(events: Iterable[Event]) -> Any:
    transaction = Transaction(Mongo("mongodb://127.0.0.1:1", "plaza"))
    for event in events:
        transaction.record(event)
    return transaction.recorded


def sent(server: Scripted) -> dict[str, int]:
    """Return how many messages of these events the queues were asked to take, by group."""
    count = Counter[str]()
    for operation, body in server.asked:
        if operation == "SendMessageBatch":
            count[body["QueueUrl"].rsplit("-", 2)[1]] += len(body["Entries"])
    return count


@pytest.mark.parametrize(
    ("answer", "kind", "says"),
    [
        (refusal("QueueDoesNotExist"), BrokerRefuses, rf"there is no queue {QUEUE} in eu-central-1: make it by"),
        (refusal("AccessDeniedException"), BrokerRefuses, rf"refuses its credentials for {QUEUE} \(AccessDenied"),
        (refusal("InvalidClientTokenId"), BrokerRefuses, "refuses its credentials"),
        (refusal("SignatureDoesNotMatch"), BrokerRefuses, "refuses its credentials"),
        (refusal("RequestThrottled", "slow down"), BrokerAway, rf"refuses a request for {QUEUE}: RequestThrottled"),
        ((503, {"__type": "ServiceUnavailable"}), BrokerAway, "refuses a request"),
        ((500, {}), BrokerAway, "refuses a request"),
    ],
)
async def test_a_refusal_is_a_line_that_says_whether_a_retry_helps(
    server: Scripted, client: SqsClient, answer: Answer, kind: type[Exception], says: str
) -> None:
    server.answers["GetQueueUrl"] = [answer] * 2
    with pytest.raises(kind, match=says) as failure:
        await client.ask("get_queue_attributes", QUEUE)
    assert (type(failure.value) is BrokerAway) == (kind is BrokerAway)
    assert len(str(failure.value).splitlines()) == 1


async def test_a_throttled_request_is_sent_again_at_once(server: Scripted, client: SqsClient) -> None:
    server.answers["ReceiveMessage"] = [refusal("RequestThrottled")]
    assert not (await client.ask("receive_message", QUEUE)).get("Messages")
    assert [operation for operation, _ in server.asked].count("ReceiveMessage") == 2


async def test_credentials_that_expire_are_read_again(
    server: Scripted, client: SqsClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    await client.ask("receive_message", QUEUE)
    server.answers["ReceiveMessage"] = [refusal("ExpiredToken")]
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "second")
    with pytest.raises(BrokerAway, match="its credentials have expired; they are read again"):
        await client.ask("receive_message", QUEUE)
    await client.ask("receive_message", QUEUE)
    assert list(dict.fromkeys(server.keys)) == ["first", "second"]


@pytest.mark.parametrize("code", ["InvalidClientTokenId", "UnrecognizedClientException", "InvalidSignatureException"])
async def test_credentials_that_were_rotated_in_their_file_are_read_again_before_a_line_says_they_are_refused(
    server: Scripted, client: SqsClient, monkeypatch: pytest.MonkeyPatch, code: str
) -> None:
    await client.ask("receive_message", QUEUE)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "second")
    monkeypatch.setattr("social.infra.broker.sqs_client.REREAD_EVERY_S", 0.0)
    server.answers["ReceiveMessage"] = [refusal(code)]
    await client.ask("receive_message", QUEUE)
    assert list(dict.fromkeys(server.keys)) == ["first", "second"]
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "third")
    monkeypatch.setattr("social.infra.broker.sqs_client.REREAD_EVERY_S", 60.0)
    server.answers["ReceiveMessage"] = [refusal(code)]
    with pytest.raises(BrokerRefuses, match=rf"refuses its credentials for {QUEUE} \({code}\)"):
        await client.ask("receive_message", QUEUE)
    assert "third" not in server.keys, "they were read a moment ago"
    monkeypatch.setattr("social.infra.broker.sqs_client.REREAD_EVERY_S", 0.0)
    server.answers["ReceiveMessage"] = [refusal(code)]
    await client.ask("receive_message", QUEUE)
    assert server.keys[-1] == "third"


async def test_without_credentials_the_line_says_so(
    server: Scripted, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    async with client_of(f"{PLACE}?endpoint={server.url}") as client:
        with pytest.raises(BrokerRefuses, match="there are no AWS credentials"):
            await client.ping(QUEUE)


async def test_an_address_where_nothing_answers_is_named_with_its_region() -> None:
    async with client_of(f"{PLACE}?endpoint=http://127.0.0.1:1") as client:
        with pytest.raises(BrokerAway, match=r"http://127.0.0.1:1 does not answer .* is its region right\?"):
            await client.ping(QUEUE)


@pytest.mark.parametrize(
    "url",
    [
        "sqs://",
        "sqs://somewhere",
        "sqs://eu-central-1/queue",
        "sqs://me:secret@eu-central-1",
        "sqs://eu-central-1?prefix=a.b",
        "sqs://eu-central-1?create=perhaps",
        "sqs://eu-central-1?region=us-east-1",
    ],
)
def test_a_wrong_url_is_refused_by_the_name_of_its_setting(url: str) -> None:
    with pytest.raises(StartError, match=r"^BROKER_URL is wrong: ") as failure:
        SqsPlace.of(url, "plaza")
    assert "secret" not in str(failure.value)


async def test_a_row_is_deleted_only_when_all_groups_of_its_event_have_it(server: Scripted) -> None:
    broker = SqsBroker(f"{PLACE}?endpoint={server.url}", "plaza", rows := Rows(), 1)  # type: ignore[arg-type]
    one, two = likes(2)
    usual = server.usual

    def one_refused(operation: str, body: Any) -> Answer:
        status, answer = usual(operation, body)
        if operation == "SendMessageBatch" and body["QueueUrl"].endswith("counters-0"):
            refused = {"Id": "1", "SenderFault": False, "Code": "InternalError"}
            return status, {"Successful": answer["Successful"][:1], "Failed": [refused]}
        return status, answer

    server.usual = one_refused  # type: ignore[method-assign]
    with pytest.raises(BrokerAway, match="plaza-counters-0 does not take a message: InternalError"):
        await broker.publish([one, two])
    assert rows.gone == [one.id]
    server.usual = usual  # type: ignore[method-assign]
    await broker.publish([two])
    assert sent(server) == {"counters": 3, "notifications": 2}, "a group that has it does not get it again"
    assert rows.gone == [one.id, two.id]
    await broker.close()


async def test_an_answer_that_leaves_out_a_message_confirms_it_not(server: Scripted) -> None:
    broker = SqsBroker(f"{PLACE}?endpoint={server.url}", "plaza", rows := Rows(), 1)  # type: ignore[arg-type]
    server.answers["SendMessageBatch"] = [(200, {}), (200, {})]
    with pytest.raises(BrokerAway, match="did not say whether it took a message"):
        await broker.publish(likes(1))
    assert rows.gone == []
    await broker.close()


@pytest.mark.parametrize("code", ["AccessDeniedException", "QueueDoesNotExist"])
async def test_a_queue_that_is_gone_or_denied_fails_the_events_of_its_group_alone(
    server: Scripted, monkeypatch: pytest.MonkeyPatch, code: str
) -> None:
    """Other events pass it, other groups get each event once, and the broken queue is asked now and then."""
    monkeypatch.setattr("social.infra.broker.sqs_client.FRESH_S", 0.0)  # each ping asks
    monkeypatch.setattr("social.infra.broker.sqs_sender.REST_S", 3_600.0)
    broker = SqsBroker(f"{PLACE}?endpoint={server.url}", "plaza", rows := Rows(), 1)  # type: ignore[arg-type]
    await broker.ping()
    usual, broken = server.usual, []

    def one_broken(operation: str, body: Any) -> Answer:
        if (body.get("QueueUrl") or body["QueueName"]).endswith("notifications-0"):
            broken.append(operation)
            return refusal(code)
        return usual(operation, body)

    server.usual = one_broken  # type: ignore[method-assign]
    stuck, (passing,) = likes(3), recorded([TimelineWanted(user_id=clock.new_id())])
    for batch in (stuck, [*stuck, passing], stuck):
        with pytest.raises(PartlyAccepted, match="notifications-0"):
            await broker.publish(batch)
        await broker.ping()
    assert rows.gone == [passing.id]
    assert broken.count("SendMessageBatch") == 1
    assert sent(server)["counters"] == 3
    server.usual = usual  # type: ignore[method-assign]
    monkeypatch.setattr("social.infra.broker.sqs_sender.Breaker.is_open", False)
    await broker.publish(stuck)
    assert rows.gone == [passing.id, *(each.id for each in stuck)]
    assert sent(server)["counters"] == 3
    await broker.close()


async def test_before_all_queues_were_found_once_a_process_does_not_start_without_one_of_them(server: Scripted) -> None:
    broker = SqsBroker(f"{PLACE}?endpoint={server.url}", "plaza", Rows(), 1)  # type: ignore[arg-type]
    server.answers["GetQueueUrl"] = [refusal("QueueDoesNotExist")]
    with pytest.raises(BrokerRefuses, match="there is no queue plaza-"):
        await broker.ping()
    await broker.close()


def test_an_event_that_no_message_can_hold_does_not_fit() -> None:
    broker = SqsBroker(PLACE, "plaza", Rows(), 1)  # type: ignore[arg-type]
    (event,) = likes(1)
    assert broker.fits(event)
    assert not broker.fits(event.model_copy(update={"data": {"text": "x" * 300_000}}))
