"""May this viewer see that person, and what they do? Every reader and every verb asks here.

A block hides each from the other, as if there were no such person; only who blocks still finds the other's page, to
take the block back, and whoever is blocked may block or mute in turn. What somebody with a private account posts is for
those they accepted as followers; a post for followers, whoever wrote it, is for those who follow its author now.
"""

from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple

from social import edges, media_urls, users
from social.contracts.problems import FieldProblem, NotFound, ValidationFailed
from social.edges import Edge
from social.infra.joins import join
from social.infra.mongo import Document, Reader, Where

MARKS = {"liked": "likes", "reposted": "reposts", "bookmarked": "bookmarks"}  # by a post's and a person's id


class Standing(NamedTuple):
    """Somebody, and how a viewer and they stand to each other."""

    user: Document
    out: Edge
    back: Edge


class SeenPost(NamedTuple):
    """A post with its author, for a viewer who may see it, and what the viewer did with it."""

    post: Document
    author: Document
    liked: bool
    reposted: Document | None
    bookmarked: bool
    follows: bool = False  # the viewer its author


class SeenComment(NamedTuple):
    """A comment with its author and its post, for a viewer who may see all of them."""

    comment: Document
    author: Document
    post: Document
    liked: bool


async def person(reader: Reader, username: str, *, viewer: str) -> Standing:
    """Somebody's page is for everybody whom they do not block; raises NotFound."""
    found = await _standing(reader, {"username": username, **users.HERE}, viewer)
    if found.out.blocked_at:
        raise NotFound
    users.remember(reader, found.user)  # whoever looks at a page may follow next
    return found


async def other(reader: Reader, username: str, *, viewer: str) -> Standing:
    """The same of somebody else; raises NotFound, and ValidationFailed for oneself."""
    return _not_oneself(await person(reader, username, viewer=viewer), viewer)


async def named(reader: Reader, username: str, *, viewer: str) -> Standing:
    """Somebody else who has an account, to be blocked or muted; raises NotFound, and ValidationFailed for oneself.

    Also who blocks the viewer, and who is suspended: were it either alone, the answer would tell which of them it is.
    """
    return _not_oneself(await _standing(reader, {"username": username, "deleted_at": None}, viewer), viewer)


async def _standing(reader: Reader, where: Where, viewer: str) -> Standing:
    found = await reader.aggregate(
        "users",
        [
            {"$match": where},
            {"$set": {"out": {"$concat": [viewer, "$_id"]}, "back": {"$concat": ["$_id", viewer]}}},
            join("edges", "out"),
            join("edges", "back"),
            {"$unset": "password"},
        ],
    )
    if not found:
        raise NotFound
    out, back = (_edge(found[0].pop(name)) for name in ("out", "back"))
    user_id = found[0]["_id"]
    return Standing(found[0], out or Edge(viewer, user_id), back or Edge(user_id, viewer))


def _not_oneself(found: Standing, viewer: str) -> Standing:
    if found.user["_id"] == viewer:
        problem = FieldProblem(pointer="/username", code="oneself", detail="this is about others than oneself")
        raise ValidationFailed(errors=[problem])
    return found


async def author(reader: Reader, username: str, *, viewer: str) -> Document:
    """Somebody whose posts and followers this viewer may see; raises NotFound."""
    found = await person(reader, username, viewer=viewer)
    if not shows(found.user, found.out):
        raise NotFound
    return found.user


async def post(reader: Reader, post_id: str, *, viewer: str) -> SeenPost:
    """A post that this viewer may see; raises NotFound."""
    for found in await posts(reader, [post_id], viewer=viewer):
        return found
    raise NotFound


async def posts(reader: Reader, ids: Sequence[str], *, viewer: str, muted: bool = True) -> list[SeenPost]:
    """Those of these posts that this viewer may see, in this order, in one round trip.

    Where `muted` is false, what is of people whom the viewer mutes is left out too.
    """
    if not ids:
        return []
    rows = await reader.aggregate(
        "posts",
        [
            {"$match": {"_id": {"$in": list(ids)}}},
            *_with_author(viewer),
            {"$set": {"pictures": "$media", **{mark: {"$concat": ["$_id", viewer]} for mark in MARKS}}},
            {"$unset": ["words", "tags", "mentions"]},
            *(join(collection, mark) for mark, collection in MARKS.items()),
            join("media", "pictures", {"$project": media_urls.REF_FIELDS}),
        ],
    )
    seen = {row["_id"]: found for row in rows if (found := _seen(row, viewer, muted=muted))}
    return [seen[post_id] for post_id in ids if post_id in seen]


async def comment(reader: Reader, comment_id: str, *, viewer: str) -> SeenComment:
    """A comment that this viewer may see, under a post that they may see; raises NotFound."""
    found = await reader.aggregate(
        "comments",
        [
            {"$match": {"_id": comment_id}},
            *_with_author(viewer),
            {"$set": {"like": comment_id + viewer, "post": "$post_id"}},
            join("comment_likes", "like"),
            join("posts", "post", *_with_author(viewer)),
        ],
    )
    for row in found:
        written_by, edge = _by_whom(row, viewer)
        for post in row.pop("post"):
            author, to_author = _by_whom(post, viewer)
            if author and written_by and not edge.apart and shows_post(post, author, to_author):
                return SeenComment(row, written_by, post, bool(row.pop("like")))
    raise NotFound


def _with_author(viewer: str) -> list[Document]:
    """Join what was written with who wrote it, unless they are gone, and with how the viewer stands to them."""
    return [
        {"$set": {"author": "$author_id", "edge": {"$concat": [viewer, "$author_id"]}}},
        join("users", "author", {"$match": users.HERE}, {"$project": {**users.REF_FIELDS, "private": 1}}),
        join("edges", "edge"),
    ]


def _by_whom(row: Document, viewer: str) -> tuple[Document | None, Edge]:
    authors, edge = row.pop("author"), _edge(row.pop("edge"))
    return authors[0] if authors else None, edge or Edge(viewer, row["author_id"])


def _seen(row: Document, viewer: str, *, muted: bool) -> SeenPost | None:
    author, edge = _by_whom(row, viewer)
    liked, reposted, bookmarked = (row.pop(mark) for mark in MARKS)
    if author is None or not shows_post(row, author, edge) or (edge.mutes_at and not muted):
        return None
    return SeenPost(
        row, author, bool(liked), reposted[0] if reposted else None, bool(bookmarked), bool(edge.follows_at)
    )


def shows_post(post: Document, author: Document, edge: Edge) -> bool:
    """Whether a post is for the one at whom the edge to its author starts."""
    if post.get("visibility") == "followers" and not edge.follows_at and author["_id"] != edge.source:
        return False
    return shows(author, edge)


def shows(user: Document, edge: Edge) -> bool:
    """Whether a person's posts are for the one at whom the edge to them starts."""
    if user["_id"] == edge.source:
        return True
    return not edge.apart and (bool(edge.follows_at) or not user.get("private"))


async def shown(reader: Reader, pairs: Collection[tuple[str, str]]) -> set[tuple[str, str]]:
    """Those of these (viewer, person) pairs where the viewer may see what the person does."""
    ids = {person_id for _, person_id in pairs}
    closed = {"_id": {"$in": list(ids)}, "$or": [{"private": True}, {"suspended_at": edges.EVER}]}
    fields = {"private": 1, "suspended_at": 1}
    people = {each["_id"]: each for each in await reader.many("users", closed, fields=fields)} if ids else {}
    found = await edges.between(reader, pairs)
    return {
        pair
        for pair in found
        if shows(them := people.get(pair[1], {"_id": pair[1]}), found[pair]) and not them.get("suspended_at")
    }


async def followed(reader: Reader, pairs: Collection[tuple[str, str]]) -> set[tuple[str, str]]:
    """Those of these (viewer, person) pairs where the viewer may see what the person wrote for followers."""
    found = await edges.between(reader, pairs)
    return {pair for pair, edge in found.items() if (edge.follows_at and not edge.apart) or pair[0] == pair[1]}


async def apart(reader: Reader, viewer: str, ids: Iterable[str]) -> set[str]:
    """Those of these people whom a block, in either direction, keeps from this viewer."""
    found = await edges.between(reader, [(viewer, each) for each in set(ids)])
    return {edge.target for edge in found.values() if edge.apart}


def _edge(rows: list[Document]) -> Edge | None:
    return edges.of(rows[0]) if rows else None
