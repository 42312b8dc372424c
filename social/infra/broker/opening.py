"""The one place that opens a broker: the scheme of its URL says of which kind."""

from social.infra.broker.broker import Broker
from social.infra.broker.outbox import Outbox
from social.infra.broker.rabbit import RabbitBroker
from social.infra.broker.sqs import SqsBroker
from social.infra.settings import PARTITIONS


def kind_of(url: str) -> str:
    """Return the kind of broker that a `BROKER_URL` names, as people call it."""
    return "SQS" if url.startswith("sqs:") else "RabbitMQ"


def broker_of(url: str, prefix: str, outbox: Outbox, partitions: int = PARTITIONS) -> Broker:
    """Return the broker that a `BROKER_URL` names; nothing is contacted before it is used. Raises StartError."""
    if kind_of(url) == "SQS":
        return SqsBroker(url, prefix, outbox, partitions)
    return RabbitBroker(url, prefix, outbox, partitions)
