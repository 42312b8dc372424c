"""The followers of a person, chunk by chunk, as far as their timelines are kept."""

from typing import NamedTuple

from social.feeds import timelines
from social.infra import clock
from social.infra.store.mongo import Mongo
from social.infra.store.rows import EDGES, TIMELINES

CHUNK = 500  # followers a message fans out to, so that a big author interleaves with small ones


class Follower(NamedTuple):
    """A follower, and the place from which upwards their timeline is kept."""

    user_id: str
    floor: str


async def after(mongo: Mongo, author_id: str, last: str) -> tuple[list[Follower], str | None]:
    """Return the next followers who hear of a person and whose timelines are kept, and after whom to go on."""
    fields = {"from": 1, "hides": 1, "follows_at": 1}
    rows, further = await mongo.strides.chunk(EDGES, {"to": author_id}, "from", last, CHUNK, fields=fields)
    hearing = [row["from"] for row in rows if row.get("follows_at") and not row.get("hides")]
    kept = await mongo.get_many(TIMELINES, hearing, ("floor", "active_at"))
    since = clock.now() - timelines.ACTIVE - timelines.LATE
    following = [Follower(each, row["floor"]) for each, row in kept.items() if row["active_at"] > since]
    return following, further
