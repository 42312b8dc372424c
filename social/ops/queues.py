"""The queues of SQS, which an operator makes: no process needs the right to do so."""

from collections.abc import AsyncIterator, Callable, Iterator, Mapping

from pydantic import Field

from social.infra.broker.broker import BrokerAway
from social.infra.broker.opening import kind_of
from social.infra.broker.sqs_client import ATTRIBUTES, QueueMissing, SqsClient, SqsPlace
from social.infra.broker.sqs_partition import DEPTHS
from social.infra.settings import PARTITIONS, BrokerUrl, Connections, Partitions, PlazaSettings, StartError, load

ASKED = (*ATTRIBUTES, *DEPTHS.values(), "RedrivePolicy")


class QueueSettings(PlazaSettings):
    """Settings that name the queues."""

    broker_url: BrokerUrl = Field(description=Connections.model_fields["broker_url"].description)
    amqp_prefix: str = Field(default="plaza", pattern=r"^[a-z0-9_-]{1,40}$", description="names of exchange and queues")
    worker_partitions: Partitions = Field(default=PARTITIONS, description="queues of each consumer group")


async def main(show: Callable[[str], None]) -> int:
    """Make all queues and show a line for each; return the exit code. Raises StartError."""
    async for line in make_all(load(QueueSettings, "workers")):
        show(line)
    return 0


async def make_all(settings: QueueSettings) -> AsyncIterator[str]:
    """Make all queues, or correct their attributes; yield a line for each. Raises StartError."""
    if kind_of(settings.broker_url) != "SQS":
        raise StartError("BROKER_URL names no SQS: each process makes the queues of RabbitMQ at its start")
    client = SqsClient(place := SqsPlace.of(settings.broker_url, settings.amqp_prefix))
    try:
        for queue in place.queues(settings.worker_partitions):
            yield f"{queue} {await make(client, queue)}"
    finally:
        await client.forget()


async def make(client: SqsClient, queue: str) -> str:
    """Make a queue, or correct the attributes of an existing queue; return which, in a word. Raises StartError."""
    try:
        try:
            await client.find([queue])
        except QueueMissing:
            await client.find([queue], create=True)
            return "made"
        if not differing(await attributes(client, queue)):
            return "is there"
        await client.ask("set_queue_attributes", queue, Attributes=ATTRIBUTES)
    except BrokerAway as error:
        raise StartError(f"cannot make the queues that BROKER_URL names: {error}") from None
    return "corrected"


async def attributes(client: SqsClient, queue: str) -> Mapping[str, str]:
    """Return the attributes of a queue; raises BrokerAway."""
    found: Mapping[str, str] = (await client.ask("get_queue_attributes", queue, AttributeNames=[*ASKED]))["Attributes"]
    return found


def differing(found: Mapping[str, str]) -> dict[str, str]:
    """Return the attributes that are not as `python -m social queues` makes them, with their values."""
    return {name: found.get(name, "none") for name, value in ATTRIBUTES.items() if found.get(name) != value}


def waiting(found: Mapping[str, str]) -> int:
    """Return how many messages a queue has, in any state."""
    return sum(_counts(found))


def _counts(found: Mapping[str, str]) -> Iterator[int]:
    for name in DEPTHS.values():
        yield int(found.get(name, 0))
