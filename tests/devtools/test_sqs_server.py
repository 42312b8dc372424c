"""The SQS of `make cluster BROKER=sqs` keeps its messages where it is killed, and where it is stopped and started."""

from pathlib import Path

import pytest
from conftest import require
from support.sqs import Consumer, client_of, queue_of

from devtools.cluster.servers import SqsServer
from social.infra.broker.broker import BrokerAway


async def test_messages_outlive_a_kill_and_a_stop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    require(SqsServer)
    for name, value in SqsServer.credentials.items():
        monkeypatch.setenv(name, value)
    server = SqsServer(tmp_path)
    await server.start()
    try:
        async with client_of(server.url) as client:
            queue = queue_of(client)
            await client.find([queue], create=True)
            consumer = Consumer(client)
            consumer.partition.end()
            await consumer.sender.send("waits")
            await consumer.sender.send("later", attempt=1, delay_s=900)
            taken = await client.ask("receive_message", queue)
            assert [each["Body"] for each in taken["Messages"]] == ["waits"]
            await server.kill()
            with pytest.raises(BrokerAway, match="does not answer"):
                await client.ping(queue)
            await server.start()
            assert await consumer.partition.depth() == {"waiting": 0, "taken": 1, "delayed": 1}
            await server.restart()
            assert await consumer.partition.depth() == {"waiting": 1, "taken": 0, "delayed": 1}
    finally:
        await server.kill()
        await server.stop()
