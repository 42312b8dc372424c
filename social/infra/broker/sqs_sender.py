"""Messages on their way into an SQS queue: in their order, as many together as a request takes."""

import asyncio
from collections.abc import Sequence
from typing import Any, NamedTuple

from social.infra.breaker import Breaker
from social.infra.broker.broker import BrokerAway
from social.infra.broker.sqs_client import MOST_IN_BATCH, SqsClient

MOST_BYTES = 256 * 1024  # of a message, and of all messages of a request
REST_S = 2.0  # after a request that failed
ATTEMPT = "attempt"  # the attribute of a message that counts earlier attempts


class _Message(NamedTuple):
    body: str
    attempt: int
    delay_s: int
    sent: "asyncio.Future[None]"

    @property
    def size(self) -> int:
        """The bytes that count: those of the body, which is ASCII, and of the attribute."""
        return len(self.body) + (len(ATTEMPT) + len("Number") + 4 if self.attempt else 0)

    def entry(self, number: int) -> dict[str, Any]:
        entry: dict[str, Any] = {"Id": str(number), "MessageBody": self.body}
        if self.attempt:
            entry["MessageAttributes"] = {ATTEMPT: {"DataType": "Number", "StringValue": str(self.attempt)}}
        return entry | ({"DelaySeconds": self.delay_s} if self.delay_s else {})


class Sender:
    """Sends messages to a queue with one request at a time; messages that come meanwhile are the next request.

    After a request that failed it rests: a queue that is gone or denied must not hold up those who send to others, too.
    """

    def __init__(self, client: SqsClient, queue: str) -> None:
        self._client = client
        self._queue = queue
        self._waiting: list[_Message] = []
        self._sending: asyncio.Task[None] | None = None
        self._breaker = Breaker(REST_S)
        self._failure: BrokerAway | None = None  # of the last request that failed

    async def send(self, body: str, *, attempt: int = 0, delay_s: float = 0) -> None:
        """Send a message, and return when SQS has it; raises BrokerAway."""
        message = _Message(body, attempt, round(delay_s), asyncio.get_running_loop().create_future())
        if message.size > MOST_BYTES:
            says = f"a message of {message.size} bytes is too large for SQS, which takes {MOST_BYTES}"
            raise BrokerAway(f"{says}; the relay parks its event")
        if self._failure is not None and self._breaker.is_open:
            raise type(self._failure)(str(self._failure))
        self._waiting.append(message)
        if self._sending is None or self._sending.done():
            self._sending = asyncio.create_task(self._send_all(), name=f"send {self._queue}")
        await message.sent

    def close(self) -> None:
        """Stop sending; what was not sent is still in the outbox."""
        if self._sending is not None:
            self._sending.cancel()

    async def _send_all(self) -> None:
        await asyncio.sleep(0)  # others of the same moment go with it
        while batch := self._next():
            try:
                await self._send(batch)
            except BrokerAway as error:
                self._failure = error
                self._breaker.trip()
                _refuse([*batch, *self._waiting], error)
            except BaseException:
                for each in (*batch, *self._waiting):
                    each.sent.cancel()
                self._waiting.clear()
                raise

    def _next(self) -> list[_Message]:
        """Return the next messages that fit into a request; callers of others may have given up meanwhile."""
        self._waiting = [each for each in self._waiting if not each.sent.done()]
        batch: list[_Message] = []
        size = 0
        for each in self._waiting[:MOST_IN_BATCH]:
            if (size := size + each.size) > MOST_BYTES and batch:
                break
            batch.append(each)
        del self._waiting[: len(batch)]
        return batch

    async def _send(self, batch: Sequence[_Message]) -> None:
        entries = [each.entry(number) for number, each in enumerate(batch)]
        answer = await self._client.ask("send_message_batch", self._queue, Entries=entries)
        for each in answer.get("Failed", []):
            says = f"{self._queue} does not take a message: {each.get('Code')} {each.get('Message', '')}".rstrip()
            _refuse([batch[int(each["Id"])]], BrokerAway(says))
        for each in answer.get("Successful", []):
            if not (sent := batch[int(each["Id"])].sent).done():
                sent.set_result(None)
        _refuse(batch, BrokerAway(f"{self._queue} did not say whether it took a message"))


def _refuse(batch: Sequence[_Message], error: BrokerAway) -> None:
    for each in batch:
        if not each.sent.done():
            each.sent.set_exception(error)
