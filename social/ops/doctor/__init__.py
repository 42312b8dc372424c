"""Diagnosis, `python -m social doctor`: what is well, what is not, and what to do about it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from itertools import chain

from pymongo.errors import PyMongoError

from social.contracts.problems import Unavailable
from social.infra.broker.opening import kind_of
from social.infra.broker.topology import Topology
from social.infra.settings import StartError
from social.infra.store.mongo import Mongo
from social.ops.doctor import backlog, keys, mongodb, rabbitmq, redis, sqs, start, stores
from social.ops.doctor.findings import Finding, Level, passwords, problem, why, without
from social.ops.doctor.settings import Examined, read

__all__ = ["Finding", "Level", "examine", "examine_named", "settled"]

URLS = ("mongo_url", "redis_url", "broker_url", "amqp_management_url")

ANSWER_S = 3.0  # of MongoDB, to one question
PATIENCE_S = 30.0  # for one server, whatever it does


async def examine(process: str) -> list[Finding]:
    """Yield all findings about a process (api, realtime, workers): whether it starts, and all its settings name."""
    would_start = settled("settings", lambda: start.examine(process))
    return list(chain(*await asyncio.gather(would_start, examine_named(process))))


async def examine_named(process: str) -> list[Finding]:
    """Return the servers, keys and stores that the settings of a process name, as far as they are right."""
    settings, findings = read(process)
    parts = [
        settled("mongodb", lambda: _documents(settings)),
        settled("keys", lambda: keys.examine(settings)),
        settled("pictures", lambda: stores.pictures(process, settings)),
        settled("mail", lambda: stores.mail(process, settings)),
    ]
    if redis_url := settings.redis_url:
        parts.append(settled("redis", lambda: redis.examine(redis_url)))
    if broker_url := settings.broker_url:
        parts.append(settled(kind_of(broker_url).lower(), lambda: _broker(broker_url, settings)))
    findings += chain(*await asyncio.gather(*parts))
    urls = [url for name in URLS if (url := getattr(settings, name))]
    secrets = set().union(*map(passwords, urls))
    return [without(secrets, each) for each in findings]


async def _broker(url: str, settings: Examined) -> AsyncIterator[Finding]:
    """Check the broker, in the way of its kind."""
    if kind_of(url) == "SQS":
        async for finding in sqs.examine(url, settings.amqp_prefix, settings.worker_partitions):
            yield finding
        return
    topology = Topology(settings.amqp_prefix, settings.worker_partitions)
    async for finding in rabbitmq.examine(url, topology, settings.amqp_management_url):
        yield finding


async def _documents(settings: Examined) -> AsyncIterator[Finding]:
    if settings.mongo_url is None:
        return
    try:
        mongo = Mongo(settings.mongo_url, settings.mongo_database, timeout_s=ANSWER_S)
    except StartError as error:
        yield problem("mongodb", str(error), "write what is special in a password as %XX")
        return
    try:
        usable = True
        async for finding in mongodb.examine(mongo, settings.mongo_url):
            usable &= finding.about != "mongodb" or finding.level != Level.PROBLEM
            yield finding
        if usable:
            async for finding in backlog.examine(mongo):
                yield finding
    finally:
        mongo.close()


async def settled(about: str, check: Callable[[], AsyncIterator[Finding]]) -> list[Finding]:
    """Return what a check found, also where its server fell silent meanwhile or the check failed on an answer."""
    findings: list[Finding] = []
    try:
        async with asyncio.timeout(PATIENCE_S):
            async for finding in check():
                findings.append(finding)  # noqa: PERF401 - what was found before it failed counts
    except StartError as error:  # it refuses what every process does
        findings.append(problem(about, why(error), "give its user the role readWrite"))
    except (Unavailable, PyMongoError, TimeoutError) as error:
        says = f"stopped answering: {why(error.__cause__ or error)}"
        findings.append(problem(about, says, "see its log and its load, and ask again"))
    except Exception as error:  # the other checks are to be heard all the same
        says = f"was not looked at to the end: {type(error).__name__}: {why(error)}"
        findings.append(problem(about, says, "see its log and its version, and ask again"))
    return findings
