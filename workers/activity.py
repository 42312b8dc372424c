"""Keeps the logs of accounts: one insert for all entries of a batch."""

from collections.abc import Sequence

from social.contracts.events import ActivityNoted
from social.infra.broker.inbox import Happened
from social.infra.process.plaza import Social
from social.people import activity
from social.people.activity import Entry


async def handle(social: Social, happened: Sequence[Happened]) -> None:
    """Write an entry for each event; an entry has the id of its event, so that it is written once however often."""
    entries = [Entry(each.id, each.at, each.event) for each in happened if isinstance(each.event, ActivityNoted)]
    await activity.keep(social.mongo, entries)
