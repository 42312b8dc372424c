"""Checks of the backlog: events that wait, parked messages (dead letters), and whether a process works on them."""

from collections.abc import AsyncIterator
from datetime import timedelta

from social.infra import clock
from social.infra.broker.outbox import MOST_AGE, MOST_ROWS
from social.infra.store.mongo import Mongo, translate_errors
from social.infra.store.rows import LEASES, OUTBOX, PARKED
from social.ops.doctor.findings import Finding, ok, problem, warning

SLOW = timedelta(seconds=30)  # a row is handed over in milliseconds, and by the relay after two seconds
ROLES = ("relay", "sweeper")


async def examine(mongo: Mongo) -> AsyncIterator[Finding]:
    """Yield the outbox, the parked messages and the leases of those who work alone."""
    async with translate_errors():
        rows = int(await mongo.database[OUTBOX].estimated_document_count())
    first = await mongo.many(OUTBOX, {"retries": None}, fields={"at": 1}, sort=[("at", 1)], limit=1)
    waits = clock.now() - first[0]["at"] if first else timedelta()
    says = f"{rows} events wait in the outbox, the oldest for {waits.total_seconds():.0f} s"
    if rows > MOST_ROWS or waits > MOST_AGE:
        remedy = "start workers with the role relay, and see why the broker takes nothing"
        yield problem("outbox", f"{says}: writes are refused", remedy)
    elif waits > SLOW:
        yield warning("outbox", says, "start workers with the role relay, and see why the broker takes nothing")
    else:
        yield ok("outbox", f"{rows} events wait in the outbox")
    if parked := await mongo.count(PARKED, {}, limit=1_000):
        yield warning("parked", f"{parked} messages could not be digested", "python -m social parked list")
    else:
        yield ok("parked", "no message is parked")
    held = {each["_id"] for each in await mongo.many(LEASES, {"until": {"$gt": clock.now()}}, fields={"_id": 1})}
    for role in ROLES:
        if role not in held:
            yield warning("workers", f"nobody does the work of the {role}", f"start workers with the role {role}")
    if held.issuperset(ROLES):
        yield ok("workers", "relay and sweeper are at work")
