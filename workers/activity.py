"""The consumer that writes the activity logs of accounts, with an insert a batch."""

from collections.abc import Sequence

from social.contracts.events import ActivityNoted
from social.infra.broker.inbox import ReceivedEvent
from social.infra.process.plaza import Plaza
from social.people import activity
from social.people.activity import Entry


async def handle(plaza: Plaza, happened: Sequence[ReceivedEvent]) -> None:
    """Write an entry for each event; it has the id of the event, so that a redelivery writes no second entry."""
    entries = [Entry(each.id, each.at, each.event) for each in happened if isinstance(each.event, ActivityNoted)]
    await activity.keep(plaza.mongo, entries)
