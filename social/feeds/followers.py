"""Somebody's followers, chunk by chunk, as far as their timelines are kept."""

from social.feeds import timelines
from social.infra import clock
from social.infra.store.mongo import Document, Mongo

CHUNK = 500  # followers a message fans out to, so that a big author interleaves with small ones


async def after(mongo: Mongo, author_id: str, last: str) -> tuple[list[Document], str | None]:
    """Of the next followers those whose timeline is kept and who are told of this person, each with its `floor`."""
    fields = {"from": 1, "hides": 1, "follows_at": 1}
    rows, further = await mongo.strides.chunk("edges", {"to": author_id}, "from", last, CHUNK, fields=fields)
    told = [row["from"] for row in rows if row.get("follows_at") and not row.get("hides")]
    kept = await mongo.get_many("timelines", told, ("floor", "active_at"))
    since = clock.now() - timelines.ACTIVE - timelines.LATE
    following = [{"from": each, "floor": row["floor"]} for each, row in kept.items() if row["active_at"] > since]
    return following, further
