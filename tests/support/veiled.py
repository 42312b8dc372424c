"""A scene in which every list holds rows that its reader may not see, and the scene without these rows.

The rows are put into the store as the verbs write them: what hides them is whose they are.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import count

from social.infra import clock
from social.infra.store.mongo import Document
from social.infra.store.rows import INTERACTIONS, slot
from social.people import edges, terms
from social.people.edges import Edge
from social.posts import publishing
from social.posts.counters import OF_POSTS
from support.people import Person
from support.site import Site

# Authors who are hidden from the reader altogether, and authors whose posts alone are, in some lists or in all.
PEOPLE = ("blocks the reader", "is blocked", "is suspended", "is deleted", "is blocked and suspended")
AUTHORS = ("is private", "is muted", "writes for followers")

LISTS = (
    "/v1/search?q=quark",
    "/v1/search?q=%23quark",
    "/v1/hashtags/quark/posts?",
    "/v1/users?q=zed",
    "/v1/users/cyd/posts?",
    "/v1/users/hub/followers?",
    "/v1/users/hub/following?",
    "/v1/posts/{post}/likes?",
    *(f"/v1/posts/{{post}}/comments?sort={sort}" for sort in ("newest", "oldest", "top")),
    *(f"/v1/comments/{{comment}}/replies?sort={sort}" for sort in ("newest", "oldest", "top")),
    "/v1/comments/{comment}/likes?",
    "/v1/bookmarks?",
    "/v1/follow-requests?",
    "/v1/users/me/follow-requests?",
    "/v1/users/me/blocks?",
    "/v1/users/me/mutes?",
    "/v1/notifications?",
    "/v1/feed?",
)


@dataclass
class Scene:
    """The rows in the store, and those of them that the reader may not see."""

    site: Site
    reader: Person
    rows: dict[str, list[Document]] = field(default_factory=dict)
    hidden: dict[str, list[str]] = field(default_factory=dict)
    places: "count[int]" = field(default_factory=lambda: count(1))
    ids: dict[str, str] = field(default_factory=dict)

    def add(self, collection: str, row: Document, *, hidden: bool = False) -> None:
        """Put a row into the scene."""
        self.rows.setdefault(collection, []).append(row)
        if hidden:
            self.hidden.setdefault(collection, []).append(row["_id"])

    async def show(self) -> None:
        """Write the whole scene."""
        for collection, rows in self.rows.items():
            await self.site.plaza.mongo.insert_missing(collection, rows)

    async def unveil(self) -> None:
        """Delete the rows that the reader may not see."""
        for collection, ids in self.hidden.items():
            found = await self.site.plaza.mongo.delete(collection, {"_id": {"$in": ids}})
            assert found == len(ids), collection

    def path(self, of: str) -> str:
        """Return the path of a list of this scene."""
        return of.format(**self.ids)


async def scene(site: Site, pattern: str) -> Scene:
    """Make a scene from the oldest row to the newest: `v` is a row of a visible person, `h` one of each hidden."""
    made = Scene(site, await site.door.register("ada"))
    template = await site.plaza.mongo.one("users", {"_id": made.reader.id})
    assert template is not None
    hub, cyd = (_person(made, template, name) for name in ("hub", "cyd"))
    post = _post(made, hub, words=())
    comment = _comment(made, hub, post, None, hidden=False)
    made.ids = {"post": post, "comment": comment, "hub": hub, "cyd": cyd}
    for each in pattern:
        if each == "v":
            _everything(made, template, "is shown")
            _post(made, cyd)
        else:
            for why in (*PEOPLE, *AUTHORS):
                _everything(made, template, why)
            _post(made, cyd, hidden=True, visibility="followers")
    await made.show()
    return made


def _person(made: Scene, template: Document, name: str, **more: object) -> str:
    user_id = clock.new_id()
    own = {"_id": user_id, "username": name, "email": f"{name}@example.org", "display_name": name}
    made.add("users", {**template, **own, "words": terms.of(name, name), **more})
    return user_id


def _everything(made: Scene, template: Document, why: str) -> None:
    """Put a new person into every list once, or into lists of posts if only the person's posts are hidden."""
    now = clock.now()
    more: Document = {"private": why == "is private", "private_since": now}
    if "suspended" in why:
        more["suspended_at"] = now
    if "deleted" in why:
        more["deleted_at"] = now
    who = _person(made, template, name := f"zed{next(made.places):04}", **more)
    _stands(made, who, why)
    at = _at(next(made.places))
    if why not in AUTHORS:
        made.add("names", {"_id": terms.row_id(name, who), "user_id": who}, hidden=why in PEOPLE)
        _in_lists_of_people(made, who, at, hidden=why in PEOPLE)
    reader, veiled = made.reader.id, why != "is shown"
    post = _post(made, who, hidden=veiled, visibility="followers" if why == "writes for followers" else "public")
    if why != "is muted":
        row = {"_id": post + reader, "post_id": post, "user_id": reader, "bookmark_id": _id(next(made.places))}
        made.add(INTERACTIONS, row, hidden=veiled)
    made.add("feed_entries", {**publishing.entry(reader, post, who), "arrived": at}, hidden=veiled)


def _in_lists_of_people(made: Scene, who: str, at: datetime, *, hidden: bool) -> None:
    hub = made.ids["hub"]
    for one, other in ((who, hub), (hub, who)):
        _edge(made, Edge(one, other, follows_at=at), hidden=hidden)
    post, comment = made.ids["post"], made.ids["comment"]
    liked = {"_id": post + who, "post_id": post, "user_id": who, "like_id": _id(next(made.places))}
    made.add(INTERACTIONS, liked, hidden=hidden)
    row = {"_id": comment + who, "comment_id": comment, "user_id": who, "at": at}
    made.add("comment_likes", row, hidden=hidden)
    _comment(made, who, made.ids["post"], None, hidden=hidden)
    _comment(made, who, made.ids["post"], made.ids["comment"], hidden=hidden)
    _notify(made, who, at, hidden=hidden)


def _stands(made: Scene, who: str, why: str) -> None:
    """Set the relation between the reader and a person."""
    reader, at = made.reader.id, _at(next(made.places))
    out, back = Edge(reader, who), Edge(who, reader)
    if why == "blocks the reader":
        out, back = Edge(reader, who, blocked_at=at), Edge(who, reader, blocks_at=at)
    elif "is blocked" in why:
        out, back = Edge(reader, who, blocks_at=at), Edge(who, reader, blocked_at=at)
    elif why in ("is suspended", "is deleted"):
        out = Edge(reader, who, follows_at=at, mutes_at=at, requested_at=at)  # not both in life: one row for two lists
        back = Edge(who, reader, requested_at=at)
    elif why == "is muted":
        out = Edge(reader, who, follows_at=at, mutes_at=at)
    elif why == "is shown":
        out, back = Edge(reader, who, follows_at=at, requested_at=at), Edge(who, reader, requested_at=at)
    shown_in_a_list = why in ("is blocked", "is muted", "is shown")
    for edge in (out, back):
        if edge.source == reader or why in PEOPLE or why == "is shown":
            _edge(made, edge, hidden=not shown_in_a_list and why in PEOPLE)


def _edge(made: Scene, edge: Edge, *, hidden: bool) -> None:
    made.add("edges", {"_id": edge.id, **edges._change(edge)["$set"]}, hidden=hidden)


def _post(
    made: Scene, author: str, *, hidden: bool = False, visibility: str = "public", words: Iterable[str] = ("quark",)
) -> str:
    place = next(made.places)
    row = {
        "_id": _id(place),
        "author_id": author,
        **{"text": "quark #quark", "entities": [], "mentions": [], "tags": list(words), "words": list(words)},
        **{"media": [], "visibility": visibility, "created_at": _at(place), "edited_at": None, "rev": 0},
        **dict.fromkeys((*OF_POSTS, "version"), 0),
    }
    made.add("posts", row, hidden=hidden)
    found_by = {name: row[name] for name in ("_id", "author_id", "visibility", "tags", "words")}
    made.add("post_terms", found_by, hidden=hidden)
    return str(row["_id"])


def _comment(made: Scene, author: str, post: str, parent: str | None, *, hidden: bool) -> str:
    place = next(made.places)
    row = {
        **{"_id": _id(place), "post_id": post, "parent_id": parent, "author_id": author, "text": "hello"},
        **{"entities": [], "mentions": [], "created_at": _at(place), "edited_at": None, "rev": 0},
        **{"likes": place % 3, "replies": 0, "version": 0},
    }
    made.add("comments", row, hidden=hidden)
    return str(row["_id"])


def _notify(made: Scene, who: str, at: datetime, *, hidden: bool) -> None:
    row = {
        **{"_id": _id(next(made.places)), "recipient": made.reader.id, "type": "follow", "post_id": None},
        **{"target": {"type": "user", "id": who}, "actors": [who], "count": 1, "rev": 1, "told": 1},
        **{"created_at": at, "updated_at": at, "read_at": None, "removed_at": None, "open": True},
        **{"slot": slot(made.reader.id, "follow", who)},
    }
    made.add("notifications", {**row, **({"hidden": True} if hidden else {})}, hidden=hidden)


def _at(place: int) -> datetime:
    return clock.EPOCH + timedelta(days=20_000, seconds=place)


def _id(place: int) -> str:
    return f"{20_000 * 86_400 + place:08x}{place:016x}"
