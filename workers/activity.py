"""Keeps the logs of accounts: one insert for all entries of a batch."""

from collections.abc import Sequence

from social.contracts.events import ActivityNoted
from social.infra.broker.inbox import ReceivedEvent
from social.infra.process.plaza import Plaza
from social.people import activity
from social.people.activity import Entry


async def handle(plaza: Plaza, happened: Sequence[ReceivedEvent]) -> None:
    """Write an entry for each event; an entry has the id of its event, so that it is written once however often."""
    entries = [Entry(each.id, each.at, each.event) for each in happened if isinstance(each.event, ActivityNoted)]
    await activity.keep(plaza.mongo, entries)
