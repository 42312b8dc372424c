"""Somebody's followers, chunk by chunk, as far as their timelines are kept."""

from social import edges
from social.feeds import timelines
from social.infra import clock
from social.infra.joins import join
from social.infra.mongo import Document, Mongo

CHUNK = 500  # followers a message fans out to, so that a big author interleaves with small ones


async def after(mongo: Mongo, author_id: str, last: str) -> tuple[list[Document], str | None]:
    """Of the next followers those whose timeline is kept and who are told of this person, each with its `floor`."""
    active = {"$match": {"active_at": {"$gt": clock.now() - timelines.ACTIVE - timelines.LATE}}}
    rows = await mongo.aggregate(
        "edges",
        [
            {"$match": {"to": author_id, "from": {"$gt": last}, "follows_at": edges.EVER}},
            {"$sort": {"from": 1}},
            {"$limit": CHUNK},
            {"$project": {"from": 1, "hides": 1}},
            join("timelines", "from", active, {"$project": {"floor": 1}}, into="timeline"),
        ],
    )
    told = [
        {"from": row["from"], "floor": row["timeline"][0]["floor"]}
        for row in rows
        if row["timeline"] and not row.get("hides")
    ]
    return told, rows[-1]["from"] if len(rows) == CHUNK else None
