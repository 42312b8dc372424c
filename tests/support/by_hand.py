"""The consumer of feeds, run by the test: for a site whose workers do not run."""

import workers.feeds
from social.contracts.envelope import Envelope
from social.contracts.events import Group
from social.infra.broker.inbox import ReceivedEvent
from support.site import Site


async def work(site: Site, *, fanout_limit: int = 10, twice: bool = False) -> None:
    """Hand all waiting events to the consumer of feeds, until there are none."""
    while True:
        rows = await site.plaza.mongo.many("outbox", {}, sort=[("_id", 1)])
        new = [Envelope(id=row["_id"], **{k: v for k, v in row.items() if k != "_id"}) for row in rows]
        new = [each for each in new if Group.FEEDS in each.groups()]
        if not new:
            return
        for envelope in new:
            happened = ReceivedEvent(envelope.id, envelope.at, envelope.event())
            for _ in range(1 + twice):
                await workers.feeds.handle(site.plaza, [happened], fanout_limit=fanout_limit)
            await site.plaza.outbox.forget([envelope.id])
