"""SQS in tests: queues of a test, and a server whose answers a test writes."""

import json
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from typing import Any
from unittest.mock import patch

from aiohttp import web

from social.contracts.events import Group
from social.infra.broker.sqs_client import SqsClient, SqsPlace
from social.infra.broker.sqs_partition import SqsDelivery, SqsPartition
from social.infra.broker.sqs_sender import Sender
from support.ports import free_ports

QUEUE = "plaza-counters-0"  # of a prefix that a URL does not name

Answer = tuple[int, Mapping[str, Any]]


def refusal(code: str, message: str = "") -> Answer:
    """Return an answer that refuses a request."""
    return 400, {"__type": f"com.amazonaws.sqs#{code}", "message": message}


class Scripted:
    """An SQS that answers as a test says: each operation by name, with what it would answer otherwise."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.answers: dict[str, list[Answer]] = {}
        self.asked: list[tuple[str, Any]] = []
        self.keys: list[str] = []  # the access key of each request

    def usual(self, operation: str, body: Any) -> Answer:
        """Return the answer where the test says nothing."""
        if operation == "GetQueueUrl":
            return 200, {"QueueUrl": f"{self.url}/{body['QueueName']}"}
        if operation == "SendMessageBatch":
            return 200, {"Successful": [{"Id": each["Id"], "MessageId": "m"} for each in body["Entries"]]}
        return 200, {}

    async def handle(self, request: web.Request) -> web.Response:
        """Answer a request."""
        operation, body = request.headers["X-Amz-Target"].partition(".")[2], json.loads(await request.text())
        self.asked.append((operation, body))
        self.keys.append(request.headers["Authorization"].partition("Credential=")[2].partition("/")[0])
        script = self.answers.get(operation)
        status, answer = script.pop(0) if script else self.usual(operation, body)
        return web.json_response(answer, status=status, content_type="application/x-amz-json-1.0")


@asynccontextmanager
async def scripted() -> AsyncIterator[Scripted]:
    """Run a scripted SQS."""
    (port,) = free_ports(1)
    server, app = Scripted(f"http://127.0.0.1:{port}"), web.Application()
    app.router.add_post("/", server.handle)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    try:
        yield server
    finally:
        await runner.cleanup()


def queue_of(client: SqsClient) -> str:
    """Return the name of a queue of a test."""
    return client.place.queue(Group.COUNTERS, 0)


@asynccontextmanager
async def client_of(url: str) -> AsyncIterator[SqsClient]:
    """Yield a client."""
    client = SqsClient(SqsPlace.of(url, "plaza"))
    try:
        yield client
    finally:
        await client.forget()


class Held:
    """A lease that is over when a test says so."""

    is_over = False


class Consumer:
    """The consumer of a queue, and what it received."""

    def __init__(self, client: SqsClient, most: int = 100) -> None:
        self.lease, self.got, queue = Held(), list[SqsDelivery](), queue_of(client)
        self.sender = Sender(client, queue)
        lease: Any = self.lease
        self.partition = SqsPartition(client, self.sender, queue, lease=lease, most=most, arrived=self.got.extend)
        self.partition.start()

    @property
    def bodies(self) -> list[str]:
        """The messages it received, in their order."""
        return [each.body for each in self.got]


@contextmanager
def operations() -> Iterator[set[str]]:
    """Yield the operations that clients ask for, meanwhile."""
    asked: set[str] = set()
    answer = SqsClient._answer

    async def remembering(self: SqsClient, operation: str, **how: Any) -> Any:
        asked.add(operation)
        return await answer(self, operation, **how)

    with patch.object(SqsClient, "_answer", remembering):
        yield asked
