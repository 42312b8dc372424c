"""Fixtures that run the pipeline over all brokers."""

from collections.abc import AsyncIterator

import pytest
from support.site import Site, system

SERVERS = {"rabbit": "amqp_url", "sqs": "sqs_url"}  # by broker, the fixture of its server
QUICK = {"local": (0.05, 0.1, 0.1), "rabbit": (1, 1), "sqs": (1, 1)}  # a server's delay is whole seconds


@pytest.fixture(params=["local", "rabbit"])  # where SQS may differ, tests name it
def broker(request: pytest.FixtureRequest) -> str:
    """The broker that carries the events."""
    return str(request.param)


@pytest.fixture
def broker_url(request: pytest.FixtureRequest, broker: str) -> str | None:
    """The URL of the broker, where it is a server, else None."""
    return str(request.getfixturevalue(SERVERS[broker])) if broker in SERVERS else None


@pytest.fixture(autouse=True)
def quick_queues(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let SQS show messages again within seconds, where the request that got them was broken off."""
    for name, seconds in {"VISIBLE_AGAIN_S": 6, "ON_ITS_WAY_S": 2, "EXTEND_EVERY_S": 1}.items():
        monkeypatch.setattr(f"social.infra.broker.sqs_partition.{name}", seconds)
    monkeypatch.setattr("social.infra.broker.sqs_deliveries.LEASES_EVERY_S", 0.1)


@pytest.fixture(autouse=True)
def quick_retries(broker: str, monkeypatch: pytest.MonkeyPatch) -> tuple[float, ...]:
    """Retries within seconds."""
    delays = QUICK[broker]
    for module in (
        "social.infra.broker.topology",
        "social.infra.broker.sqs_partition",
        "embedded.local_broker",
        "workers.runner",
    ):
        monkeypatch.setattr(f"{module}.RETRY_DELAYS_S", delays)
    return delays


@pytest.fixture
async def site(mongo_url: str, mongo_database: str, broker_url: str | None) -> AsyncIterator[Site]:
    """API and workers over the chosen broker."""
    async with system(mongo_url, mongo_database, broker_url=broker_url) as running:
        yield running
