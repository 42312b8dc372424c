"""The queues of SQS, which an operator makes: no process needs the right to do so."""

from collections.abc import Iterator, Mapping

from social.infra.broker.broker import BrokerAway
from social.infra.broker.sqs_client import ATTRIBUTES, QueueMissing, SqsClient
from social.infra.broker.sqs_partition import DEPTHS
from social.infra.settings import StartError

ASKED = (*ATTRIBUTES, *DEPTHS.values(), "RedrivePolicy")


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
