"""SQS: reached with these credentials, and every queue is there and loses nothing."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping

from social.infra.broker.broker import BrokerAway, BrokerRefuses
from social.infra.broker.sqs_client import QueueMissing, SqsClient, SqsPlace
from social.infra.settings import StartError
from social.ops import queues
from social.ops.doctor.findings import Finding, ok, problem, warning

MANY = 10_000
AT_ONCE = 10
MAKE = "python -m social queues"


async def examine(url: str, prefix: str, partitions: int) -> AsyncIterator[Finding]:
    """Check SQS, from whether it answers to the attributes of each queue."""
    try:
        client = SqsClient(place := SqsPlace.of(url, prefix))
    except StartError as error:
        yield problem("sqs", str(error), "correct BROKER_URL")
        return
    try:
        names = place.queues(partitions)
        first, problems = await _look(client, names[0]), 0
        if isinstance(first, BrokerAway) and not isinstance(first, QueueMissing):
            yield problem("sqs", str(first), _remedy(first))
            return
        missing: list[str] = []
        for start in range(0, len(names), AT_ONCE):
            some = names[start : start + AT_ONCE]
            for name, found in zip(some, await asyncio.gather(*(_look(client, each) for each in some)), strict=True):
                missing += [name] if isinstance(found, QueueMissing) else []
                for finding in _findings(name, found):
                    problems += 1
                    yield finding
        if missing:
            more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
            yield problem("sqs", f"there is no queue {missing[0]}{more} in {place.region}", MAKE)
        if not problems and not missing:
            yield ok("sqs", f"{place.where} has all {len(names)} queues {place.prefix}-…, and they lose nothing")
    finally:
        await client.forget()


async def _look(client: SqsClient, queue: str) -> Mapping[str, str] | BrokerAway:
    try:
        return await queues.attributes(client, queue)
    except BrokerAway as error:
        return error


def _remedy(error: BrokerAway) -> str:
    refused = isinstance(error, BrokerRefuses)
    return "correct its credentials or its policy (deploy/aws/)" if refused else "correct BROKER_URL, or ask again"


def _findings(queue: str, found: Mapping[str, str] | BrokerAway) -> Iterator[Finding]:
    if isinstance(found, QueueMissing):
        return  # all of them are one line
    if isinstance(found, BrokerAway):
        yield problem("sqs", str(found), _remedy(found))
        return
    if wrong := queues.differing(found):
        said = ", ".join(f"{name} is {value}" for name, value in wrong.items())
        yield problem("sqs", f"of {queue} {said}: messages may be lost or come twice", MAKE)
    if found.get("RedrivePolicy"):
        says = f"{queue} has a redrive policy: it takes away messages that workers have yet to handle or park"
        yield problem("sqs", says, "remove that policy")
    if (count := queues.waiting(found)) > MANY:
        yield warning("sqs", f"{count} messages wait in {queue}", "see the workers' logs, or start more")
