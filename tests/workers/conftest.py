"""Fixtures that run the pipeline over both brokers."""

from collections.abc import AsyncIterator

import pytest
from support.site import Site, system

QUICK = {"local": (0.05, 0.1, 0.1), "rabbit": (1, 1)}  # a queue's delay is whole seconds


@pytest.fixture(params=["local", "rabbit"])
def broker(request: pytest.FixtureRequest) -> str:
    """The broker that carries the events."""
    return str(request.param)


@pytest.fixture
def amqp(request: pytest.FixtureRequest, broker: str) -> str | None:
    """The URL of RabbitMQ, where it is the broker, else None."""
    return str(request.getfixturevalue("amqp_url")) if broker == "rabbit" else None


@pytest.fixture(autouse=True)
def quick_retries(broker: str, monkeypatch: pytest.MonkeyPatch) -> tuple[float, ...]:
    """Retries within seconds."""
    delays = QUICK[broker]
    for module in ("social.infra.broker.topology", "embedded.local_broker", "workers.runner"):
        monkeypatch.setattr(f"{module}.RETRY_DELAYS_S", delays)
    return delays


@pytest.fixture
async def site(mongo_url: str, mongo_database: str, amqp: str | None) -> AsyncIterator[Site]:
    """API and workers over the chosen broker."""
    async with system(mongo_url, mongo_database, amqp_url=amqp) as running:
        yield running
