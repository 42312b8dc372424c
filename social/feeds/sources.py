"""Sources of the lines of a home timeline: its entries, and the posts themselves of those its owner follows."""

import asyncio
import itertools
from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple, TypedDict

from social.contracts.people import UserRef
from social.feeds.timelines import Timeline
from social.infra import clock
from social.infra.store.joins import join
from social.infra.store.mongo import Document, Mongo, Where
from social.infra.store.rows import (
    EDGES,
    FEED_ENTRIES,
    INTERACTIONS,
    POSTS,
    TIMELINES,
    USERS,
    EdgeRow,
    FeedEntryRow,
    PostRow,
    RepostReason,
)
from social.people import edges, users

TOP = "f" * 24  # above every place


class _Authored(TypedDict):
    """The id and author of a post."""

    _id: str
    author_id: str


class _Merged(TypedDict):
    """A timeline with the posts that are merged into it."""

    posts: list[_Authored]


class _Reposted(TypedDict):
    """A repost with its post."""

    by: str
    id: str
    post: _Authored


class Repost(NamedTuple):
    """A repost: of which post by which author, and by whom; its id says when."""

    post_id: str
    author_id: str
    by: str
    id: str

    @property
    def reason(self) -> RepostReason:
        """Why the post is in a timeline, as an entry keeps it."""
        return {"by": self.by, "id": self.id}


class Line(NamedTuple):
    """A line of a timeline: at which place a post stands, and when it came in."""

    place: str
    post_id: str
    author_id: str
    arrived: datetime
    reposts: tuple[str, ...] = ()  # those who brought it here, the first of them first


class Found(NamedTuple):
    """Lines by place, and whether there are no more that way."""

    lines: list[Line]
    ended: bool


class Span(NamedTuple):
    """Places to look at: beyond `at`, newest first or oldest first, and none below `bottom`."""

    at: str
    older: bool
    most: int
    bottom: str = ""

    @property
    def places(self) -> Document:
        """The span as a condition on a place."""
        bottom = {"$gte": self.bottom} if self.bottom else {}
        return {"$lt" if self.older else "$gt": self.at, **bottom}

    @property
    def way(self) -> int:
        """The direction of the walk, as a sort."""
        return -1 if self.older else 1


async def entries(mongo: Mongo, owner: str, span: Span, late: Where | None = None) -> Found:
    """Return the entries of a timeline within a span; with `late`, also those that match it wherever they are."""
    if span.at == TOP and span.older and not span.bottom and not late:
        newest = await mongo.newest.page(FEED_ENTRIES, {"owner": owner}, "place", span.most)
        return _found([_entry_line(row) for row in newest], span)
    beyond: Document = {"place": span.places}
    where = {"owner": owner, **({"$or": [beyond, late]} if late else beyond)}
    rows = await mongo.many(FEED_ENTRIES, where, sort=[("place", span.way)], limit=span.most)
    return _found([_entry_line(row) for row in rows], span)


async def merged(mongo: Mongo, timeline: Timeline | None, span: Span) -> Found:
    """Return the posts of the authors that are merged into a timeline when it is read."""
    if timeline is None or not timeline.merged:
        return Found([], True)
    posts = join(POSTS, "merged", *_some(span), key="author_id", into="posts")
    found: list[_Merged] = await mongo.aggregate(TIMELINES, [{"$match": {"_id": timeline.owner}}, posts])
    return _found([_post_line(row) for row in found[0]["posts"]], span) if found else Found([], True)


async def bringers(mongo: Mongo, owner: str, lines: Iterable[Line]) -> dict[str, UserRef]:
    """Return the people whose reposts brought these lines, as far as the owner follows and hears of them."""
    ids = {each for line in lines for each in line.reposts}
    if not ids:
        return {}
    found, to_them = await asyncio.gather(
        users.cards(mongo, ids), edges.between(mongo, [(owner, each) for each in ids])
    )
    heard = {edge.target for edge in to_them.values() if edge.follows_at and not edge.hides}
    return {user_id: users.ref(card) for user_id, card in found.items() if user_id in heard}


async def followed(mongo: Mongo, owner: str, span: Span) -> Found:
    """Return the posts of a person and of all they follow: fan-out on read."""
    found: tuple[list[_Authored], list[PostRow]] = await asyncio.gather(
        mongo.aggregate(EDGES, [*_following(owner), *_of_each(span)]),
        mongo.many(
            POSTS,
            {"author_id": owner, "_id": span.places},
            fields={"author_id": 1},
            sort=[("_id", span.way)],
            limit=span.most,
        ),
    )
    lines = [_post_line(row) for row in itertools.chain(*found)]
    lines.sort(key=lambda line: line.place, reverse=span.older)
    return _found(lines[: span.most], span)


async def merged_among(mongo: Mongo, owner: str) -> list[str]:
    """Return which of the people whom a person follows are merged into timelines when these are read."""
    famous = join(USERS, "to", {"$match": {"merged": True}}, {"$project": {"_id": 1}}, into="famous")
    rows: list[EdgeRow]
    rows = await mongo.aggregate(EDGES, [*_following(owner), famous, {"$match": {"famous": {"$ne": []}}}])
    return [row["to"] for row in rows]


async def reposts(
    mongo: Mongo, owner: str, floor: str, most: int, *, by: str | None = None, author_id: str | None = None
) -> list[Repost]:
    """Return reposts from `floor` upwards by people whom a person follows, or by one of them, perhaps of one author.

    Posts of authors who are followed too are left out: these stand there for themselves.
    """
    some: list[Document] = [{"$match": {"repost_id": {"$gte": floor}}}, {"$sort": {"repost_id": -1}}, {"$limit": most}]
    of = {"author_id": author_id} if author_id else {"author_id": {"$ne": owner}}
    rows: list[_Reposted] = await mongo.aggregate(
        EDGES,
        [
            *_following(owner, among=by),
            join(INTERACTIONS, "to", *some, key="reposted_by", into="repost"),
            {"$unwind": "$repost"},
            {"$sort": {"repost.repost_id": -1}},
            {"$limit": most},
            {"$project": {"by": "$to", "id": "$repost.repost_id", "post": "$repost.post_id"}},
            join(POSTS, "post", {"$match": of}, {"$project": {"author_id": 1}}),
            {"$unwind": "$post"},
            {"$set": {"edges": {"$concat": [owner, "$post.author_id"]}}},
            join(EDGES, "edges", {"$match": {"follows_at": edges.EVER}}, {"$project": {"_id": 1}}),
            {"$match": {"edges": []}},
        ],
    )
    return [Repost(row["post"]["_id"], row["post"]["author_id"], row["by"], row["id"]) for row in rows]


def each_of(rows: object, field: str) -> Document:
    """Return the values of a field in a list of documents, as an expression: not every store reads a path so."""
    return {"$map": {"input": rows, "as": "each", "in": f"$$each.{field}"}}


def _following(owner: str, *, among: str | None = None) -> list[Document]:
    """Return stages that find whom a person follows, without people they mute, who would only be skipped."""
    follows = {"from": owner, "follows_at": edges.EVER, **({"to": among} if among else {})}
    unmuted = {"hides": {"$ne": True}}  # by itself: the embedded store would use no index for both
    return [{"$match": follows}, {"$match": unmuted}, {"$project": {"to": 1}}]


def _some(span: Span) -> list[Document]:
    return [
        {"$match": {"_id": span.places}},
        {"$sort": {"_id": span.way}},
        {"$limit": span.most},
        {"$project": {"author_id": 1}},
    ]


def _of_each(span: Span) -> list[Document]:
    """Return stages that find the posts of people in `to`: a walk each of so many index keys, wherever it begins."""
    posts = join(POSTS, "to", *_some(span), key="author_id", into="post")
    newest: list[Document] = [{"$sort": {"post._id": span.way}}, {"$limit": span.most}]
    return [posts, {"$unwind": "$post"}, *newest, {"$replaceRoot": {"newRoot": "$post"}}]


def together(older: bool, *found: Found) -> Found:
    """Return lines of several sources in one order, as far as all of them are known."""
    ends = [each.lines[-1].place for each in found if not each.ended]
    lines: dict[str, Line] = {}
    for each in (line for one in found for line in one.lines):
        if all(each.place >= end if older else each.place <= end for end in ends):
            known = lines.get(each.place)
            lines[each.place] = max(known, each, key=lambda line: line.arrived) if known else each
    return Found([lines[place] for place in sorted(lines, reverse=older)], not ends)


def _found(lines: list[Line], span: Span) -> Found:
    return Found(lines, len(lines) < span.most)


def _entry_line(row: FeedEntryRow) -> Line:
    """Return the line of an entry; an entry that does not say when it came in did when its post was made."""
    place = row["place"]
    made = clock.made_at(place)
    came = max(row.get("arrived", made), made)
    reposts: tuple[str, ...] = ()
    if why := row.get("reposts"):
        reposts = tuple(each["by"] for each in sorted(why, key=lambda each: each["id"]))
    return Line(place, row["post_id"], row["author_id"], came, reposts)


def _post_line(row: "_Authored | PostRow") -> Line:
    """Return the line of a post, which came in when it was made."""
    return Line(row["_id"], row["_id"], row["author_id"], clock.made_at(row["_id"]))
