"""Somebody's followers, chunk by chunk, as far as their timelines are kept."""

from social import edges
from social.feeds import timelines
from social.infra import clock
from social.infra.mongo import Document, Mongo

CHUNK = 500  # followers a message fans out to, so that a big author interleaves with small ones


async def after(mongo: Mongo, author_id: str, last: str) -> tuple[list[Document], str | None]:
    """Of the next followers those whose timeline is kept and who are told of this person, each with its `floor`."""
    rows = await mongo.many(
        "edges",
        {"to": author_id, "from": {"$gt": last}, "follows_at": edges.EVER},
        fields={"from": 1, "hides": 1},
        sort=[("from", 1)],
        limit=CHUNK,
    )
    told = [row["from"] for row in rows if not row.get("hides")]
    active = {"_id": {"$in": told}, "active_at": {"$gt": clock.now() - timelines.ACTIVE - timelines.LATE}}
    kept = await mongo.many("timelines", active, fields={"floor": 1}) if told else []
    floors = {row["_id"]: row["floor"] for row in kept}
    following = [{"from": each, "floor": floors[each]} for each in told if each in floors]
    return following, rows[-1]["from"] if len(rows) == CHUNK else None
