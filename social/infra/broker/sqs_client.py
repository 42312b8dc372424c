"""A client of Amazon SQS: where the queues are, requests for them, and the failures in words."""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from importlib.util import find_spec
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlsplit

from social.contracts.events import Group
from social.infra.broker.broker import BrokerAway, BrokerRefuses
from social.infra.observe import logs, metrics
from social.infra.settings import REGION, SQS_OPTIONS, StartError

log = logs.get("broker")

SQS_URL = rf"sqs://{REGION.pattern}(\?[A-Za-z0-9=&:/._%-]*)?"

MOST_IN_BATCH = 10  # entries of a batch request
VISIBLE_AGAIN_S = 12  # after a message was received or extended
RETAINED_S = 14 * 24 * 3600  # the most that SQS offers; afterwards a message is lost without a word
ATTRIBUTES = {"MessageRetentionPeriod": str(RETAINED_S), "VisibilityTimeout": str(VISIBLE_AGAIN_S)}
POLL_S = 20  # the longest that SQS waits for a message before it answers a receive
ANSWER_S = 5.0  # to any other request
REREAD_EVERY_S = 10.0  # at most: credentials that SQS does not know
FRESH_S = 10.0  # an answer that is younger than that shows that SQS is there

_MISSING = {"QueueDoesNotExist", "AWS.SimpleQueueService.NonExistentQueue"}
_UNKNOWN = {  # credentials: they may have been rotated where they were read
    "InvalidAccessKeyId",
    "InvalidClientTokenId",
    "InvalidSecurity",
    "InvalidSignatureException",
    "SignatureDoesNotMatch",
    "UnrecognizedClientException",
}
_REFUSED = {"AccessDenied", "AccessDeniedException"} | _UNKNOWN
_EXPIRED = {"ExpiredToken", "ExpiredTokenException", "RequestExpired"}


class SqsPlace(NamedTuple):
    """The queues of a Plaza: their region, the beginning of their names, and whether a process may create them."""

    region: str
    prefix: str
    endpoint: str | None = None
    create: bool = False

    @classmethod
    def of(cls, url: str, prefix: str) -> "SqsPlace":
        """Return the place that a setting names; raises StartError."""
        parts = urlsplit(url)
        options = {name: values[-1] for name, values in parse_qs(parts.query, keep_blank_values=True).items()}
        if not re.fullmatch(SQS_URL, url) or options.keys() - SQS_OPTIONS:
            raise StartError("BROKER_URL is wrong: SQS is named as sqs://REGION?prefix=NAME&endpoint=URL&create=yes")
        prefix = options.get("prefix", prefix)
        if not re.fullmatch(r"[A-Za-z0-9_-]{1,40}", prefix):
            raise StartError("BROKER_URL is wrong: the prefix of queues has 1 to 40 letters, digits, - and _")
        if options.get("create", "no") not in ("yes", "no"):
            raise StartError("BROKER_URL is wrong: create is yes or no")
        return cls(parts.netloc, prefix, options.get("endpoint") or None, options.get("create") == "yes")

    def queue(self, group: Group, partition: int) -> str:
        """Return the name of the queue of a partition."""
        return f"{self.prefix}-{group}-{partition}"

    def queues(self, partitions: int, groups: Sequence[Group] = tuple(Group)) -> list[str]:
        """Return the names of the queues of these groups."""
        return [self.queue(group, partition) for group in groups for partition in range(partitions)]

    @property
    def where(self) -> str:
        """The address of SQS, for messages."""
        return self.endpoint or f"SQS in {self.region}"


class QueueMissing(BrokerRefuses):
    """There is no queue of that name in the region."""


def check_installed() -> None:
    """Raise StartError where the client library is not installed."""
    if find_spec("aiobotocore") is None:
        raise StartError("BROKER_URL is wrong: sqs:// needs aiobotocore, which the extra `sqs` installs")


class SqsClient:
    """Requests to SQS; credentials come from where the AWS tools find them: environment, profile, role of the task."""

    def __init__(self, place: SqsPlace) -> None:
        check_installed()
        self.place = place
        self._held = AsyncExitStack()
        self._client: Any = None
        self._connecting = asyncio.Lock()
        self._urls: dict[str, str] = {}
        self._answered_at = -FRESH_S
        self._read_at = 0.0  # its credentials, by the monotonic clock

    @property
    def answers(self) -> bool:
        """Whether SQS answered a request a moment ago."""
        return time.monotonic() < self._answered_at + FRESH_S

    async def ask(self, operation: str, queue: str, *, within_s: float = ANSWER_S, **how: Any) -> Any:
        """Send a request about a queue; raises BrokerAway, and BrokerRefuses where a retry would not help."""
        async with self._failures(queue), asyncio.timeout(within_s):
            url = await self._url(queue)
            return await self._answer(operation, QueueUrl=url, **how)

    async def ping(self, queue: str) -> None:
        """Ask SQS for the URL of a queue; raises BrokerAway."""
        async with self._failures(queue), asyncio.timeout(ANSWER_S):
            await self._answer("get_queue_url", QueueName=queue)

    async def find(self, queues: Sequence[str], *, create: bool = False) -> None:
        """Learn the URLs of these queues, and create those that are missing where `create` says so.

        Raises BrokerAway, and BrokerRefuses for a queue that is not there, when it has looked for all.
        """

        async def find(queue: str) -> None:
            try:
                async with self._failures(queue), asyncio.timeout(ANSWER_S):
                    await self._url(queue)
            except QueueMissing:
                if not create:
                    raise
                async with self._failures(queue), asyncio.timeout(ANSWER_S):
                    made = await self._answer("create_queue", QueueName=queue, Attributes=ATTRIBUTES)
                    self._urls[queue] = made["QueueUrl"]

        for failure in await asyncio.gather(*map(find, queues), return_exceptions=True):
            if failure is not None:
                raise failure

    async def forget(self) -> None:
        """Close the connections; the next request reads credentials anew."""
        held, self._held, self._client = self._held, AsyncExitStack(), None
        await held.aclose()

    async def _url(self, queue: str) -> str:
        if (url := self._urls.get(queue)) is None:
            found = await self._answer("get_queue_url", QueueName=queue)
            url = self._urls[queue] = found["QueueUrl"]
        return url

    async def _answer(self, operation: str, **how: Any) -> Any:
        from botocore.exceptions import ClientError

        client = await self._connected()
        try:
            return await self._answer_to(client, operation, how)
        except ClientError as error:
            if error.response["Error"].get("Code") not in _UNKNOWN or not await self._reread(client):
                raise
        return await self._answer_to(await self._connected(), operation, how)

    async def _answer_to(self, client: Any, operation: str, how: Mapping[str, Any]) -> Any:
        metrics.SQS_REQUESTS.labels(operation=operation).inc()
        answer = await getattr(client, operation)(**how)
        self._answered_at = time.monotonic()
        return answer

    async def _reread(self, client: Any) -> bool:
        """Have credentials read anew after SQS did not know those of a client; False where they were just read."""
        if client is self._client:
            if time.monotonic() < self._read_at + REREAD_EVERY_S:
                return False
            log.warning("credentials that SQS does not know are read again", at=self.place.where)
            await self.forget()
        return True

    async def _connected(self) -> Any:
        async with self._connecting:
            if self._client is None:
                from aiobotocore.config import AioConfig
                from aiobotocore.session import get_session

                config = AioConfig(
                    connect_timeout=2,
                    read_timeout=POLL_S + 5,
                    max_pool_connections=1_000,  # a long poll of each partition holds one
                    retries={"mode": "standard", "total_max_attempts": 2},  # callers try again
                )
                creating = get_session().create_client(
                    "sqs", region_name=self.place.region, endpoint_url=self.place.endpoint, config=config
                )
                self._client = await self._held.enter_async_context(creating)
                self._read_at = time.monotonic()
            return self._client

    @asynccontextmanager
    async def _failures(self, queue: str) -> AsyncIterator[None]:
        """Turn a failure into BrokerAway, or into BrokerRefuses where a setting or a right is wrong."""
        from aiohttp import ClientError as HttpError
        from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, PartialCredentialsError

        used = self._client
        try:
            yield
        except ClientError as error:
            code, says = error.response["Error"].get("Code", "?"), error.response["Error"].get("Message", "")
            if code in _MISSING:
                self._urls.pop(queue, None)
            if code in _EXPIRED and used is self._client:
                await self.forget()
            raise _failure(self.place, queue, code, says) from error
        except (NoCredentialsError, PartialCredentialsError) as error:
            says = "there are no AWS credentials: give the task a role, or set AWS_ACCESS_KEY_ID and its like"
            raise BrokerRefuses(says) from error
        except (BotoCoreError, HttpError, OSError, TimeoutError, RuntimeError) as error:  # the last: connections closed
            says = f"{self.place.where} does not answer ({type(error).__name__}); is its region right?"
            raise BrokerAway(says) from error


def _failure(place: SqsPlace, queue: str, code: str, says: str) -> BrokerAway:
    if code in _MISSING:
        remedy = "make it by `python -m social queues`, or let BROKER_URL say create=yes"
        return QueueMissing(f"there is no queue {queue} in {place.region}: {remedy}")
    if code in _REFUSED:
        return BrokerRefuses(f"{place.where} refuses its credentials for {queue} ({code})")
    if code in _EXPIRED:
        return BrokerAway("its credentials have expired; they are read again")
    return BrokerAway(f"{place.where} refuses a request for {queue}: {code} {says}".rstrip())
