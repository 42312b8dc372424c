"""May this viewer see that person, and what they do? Every reader and every verb asks here.

A block hides each from the other, as if there were no such person; only who blocks still finds the other's page, to
take the block back, and whoever is blocked may block or mute in turn. What somebody with a private account posts is for
those they accepted as followers; a post for followers, whoever wrote it, is for those who follow its author now.
"""

import asyncio
import itertools
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime, timedelta
from typing import NamedTuple

from social import edges, interactions, media_urls, users
from social.contracts.problems import FieldProblem, NotFound, ValidationFailed
from social.edges import Edge
from social.infra import remembered
from social.infra.loaders import together
from social.infra.mongo import Document, Reader, Where

# What is read of a post that is shown; what it is found by is not.
POST = (
    *("author_id", "text", "entities", "media", "visibility", "created_at", "edited_at", "rev"),
    *("likes", "comments", "reposts", "hidden", "version"),
)
CLOCKS_DIFFER = timedelta(seconds=1)  # between processes at most; `doctor` warns of more


class Standing(NamedTuple):
    """Somebody, and how a viewer and they stand to each other."""

    user: Document
    out: Edge
    back: Edge


class SeenPost(NamedTuple):
    """A post with its author, for a viewer who may see it, and what the viewer did to it (`interactions`)."""

    post: Document
    author: Document
    did: Document
    follows: bool = False  # the viewer its author

    @property
    def liked(self) -> bool:
        """Whether the viewer likes the post."""
        return "like_id" in self.did

    @property
    def reposted(self) -> bool:
        """Whether the viewer reposted the post."""
        return "repost_id" in self.did

    @property
    def bookmarked(self) -> bool:
        """Whether the post is among the viewer's bookmarks."""
        return "bookmark_id" in self.did


class SeenComment(NamedTuple):
    """A comment with its author and its post, for a viewer who may see all of them."""

    comment: Document
    author: Document
    post: Document
    liked: bool


class _Shown(NamedTuple):
    post: Document
    author: Document
    edge: Edge


async def person(reader: Reader, username: str, *, viewer: str) -> Standing:
    """Somebody's page is for everybody whom they do not block; raises NotFound."""
    found = await _standing(reader, {"username": username, **users.HERE}, viewer)
    if found.out.blocked_at:
        raise NotFound
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
    user = await reader.one("users", where, {"password": 0})
    if user is None:
        raise NotFound
    return Standing(user, *await edges.both(reader, viewer, user["_id"]))


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


async def author_of_posts(reader: Reader, username: str, *, viewer: str) -> tuple[Document, bool]:
    """Somebody whose posts this viewer may see, and whether that is also what they write for followers.

    Raises NotFound.
    """
    found = await person(reader, username, viewer=viewer)
    if not shows(found.user, found.out):
        raise NotFound
    return found.user, bool(found.out.follows_at) or found.user["_id"] == viewer


async def hidden_authors(
    reader: Reader, ids: Collection[str], *, viewer: str, muted: bool = True
) -> tuple[list[str], list[str]]:
    """Of these people those none of whose posts this viewer sees, and those whose posts for followers they do not see.

    Where `muted` is false, whoever the viewer mutes is among the first.
    """
    cards, found = await asyncio.gather(
        users.cards(reader, ids), edges.between(reader, [(viewer, each) for each in ids])
    )
    silent, strangers = [], []
    for user_id in sorted(ids):
        edge, card = found[viewer, user_id], cards.get(user_id)
        if card is None or not shows(card, edge) or (edge.mutes_at and not muted):
            silent.append(user_id)
        elif not edge.follows_at and user_id != viewer:
            strangers.append(user_id)
    return silent, strangers


async def post(reader: Reader, post_id: str, *, viewer: str) -> SeenPost:
    """A post that this viewer may see; raises NotFound."""
    for found in await posts(reader, [post_id], viewer=viewer):
        return found
    raise NotFound


async def readable(reader: Reader, post_id: str, *, viewer: str) -> Document:
    """A post that this viewer may see, by itself; raises NotFound."""
    for found in (await _shown(reader, await reader.get_many("posts", [post_id], POST), viewer)).values():
        return found.post
    raise NotFound


async def posts(
    reader: Reader, ids: Iterable[str], *, viewer: str, muted: bool = True, fresh: bool = True
) -> list[SeenPost]:
    """Those of these posts that this viewer may see, in this order, in two round trips.

    Where `muted` is false, what is of people whom the viewer mutes is left out too. Where `fresh` is false, the texts
    and counts of posts may be two seconds old; what the viewer may see is decided as it is now all the same.
    """
    asked = list(ids)
    found, done = await together(
        reader.get_many("posts", asked, POST) if fresh else remembered.get_many(reader, "posts", asked, POST),
        reader.get_many(interactions.COLLECTION, [each + viewer for each in asked]),
    )
    media = itertools.chain(*(each.get("media", ()) for each in found.values()))
    shown, pictures = await together(_shown(reader, found, viewer), reader.get_many("media", media, media_urls.REF))
    seen = []
    for post_id, (row, author, edge) in shown.items():
        if muted or not edge.mutes_at:
            pictured = {**row, "pictures": media_urls.attached(pictures, row)}
            seen.append(SeenPost(pictured, author, done.get(post_id + viewer, {}), bool(edge.follows_at)))
    return seen


async def _shown(reader: Reader, found: Mapping[str, Document], viewer: str) -> dict[str, "_Shown"]:
    """Of these posts those that this viewer may see.

    What decides is read last: how the viewer stands to the author after the post, and the author's card after the post
    was written.
    """
    ids = {each["author_id"] for each in found.values()}
    authors, to_people = await together(
        users.cards(reader, ids, since=_written(found.values())),
        reader.get_many("edges", {viewer + each for each in ids | named_in(found.values())}),
    )
    shown = {}
    for post_id, row in found.items():
        author, edge = authors.get(row["author_id"]), _edge(to_people, viewer, row["author_id"])
        if author is not None and shows_post(row, author, edge):
            shown[post_id] = _Shown(naming_none_apart(row, to_people, viewer), author, edge)
    return shown


def named_in(rows: Iterable[Document]) -> set[str]:
    """The people whom these posts or comments name in their texts."""
    return {each["user_id"] for row in rows for each in row.get("entities", ()) if each.get("user_id")}


def naming_none_apart(row: Document, to_people: Mapping[str, Document], viewer: str) -> Document:
    """A post or comment in which people whom a block keeps from the viewer are only text, by the viewer's edges."""
    apart = {each for each in named_in([row]) if _edge(to_people, viewer, each).apart}
    if not apart:
        return row
    return {**row, "entities": [each for each in row["entities"] if each.get("user_id") not in apart]}


async def comment(reader: Reader, comment_id: str, *, viewer: str) -> SeenComment:
    """A comment that this viewer may see, under a post that they may see; raises NotFound.

    A reply is hidden with the comment it answers.
    """
    found, likes = await together(
        reader.get_many("comments", [comment_id]), reader.get_many("comment_likes", [comment_id + viewer])
    )
    row = found.get(comment_id)
    if row is None:
        raise NotFound
    above, parents = await together(
        reader.get_many("posts", [row["post_id"]], POST),
        reader.get_many("comments", [row["parent_id"]] if row.get("parent_id") else [], ("author_id",)),
    )
    under, answered = above.get(row["post_id"]), {each["author_id"] for each in parents.values()}
    if under is None:
        raise NotFound
    people = {row["author_id"], under["author_id"], *answered}
    authors, to_people = await together(
        users.cards(reader, people, since=_written([under])),
        reader.get_many("edges", {viewer + each for each in people | named_in([row])}),
    )
    written_by, author = (authors.get(each["author_id"]) for each in (row, under))
    edge, to_author = (_edge(to_people, viewer, each["author_id"]) for each in (row, under))
    apart = edge.apart or any(each not in authors or _edge(to_people, viewer, each).apart for each in answered)
    if written_by is None or author is None or apart or not shows_post(under, author, to_author):
        raise NotFound
    return SeenComment(naming_none_apart(row, to_people, viewer), written_by, under, bool(likes))


def _written(found: Iterable[Document]) -> datetime | None:
    """When the last of these posts was written, on whatever clock: a card that is older may say that all may see it.

    Whoever closes their account and writes then is not read by strangers who still remember it as open.
    """
    times = [each["edited_at"] or each["created_at"] for each in found]
    return max(times) + CLOCKS_DIFFER if times else None


def _edge(found: Mapping[str, Document], viewer: str, user_id: str) -> Edge:
    row = found.get(viewer + user_id)
    return edges.of(row) if row else Edge(viewer, user_id)


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
    """Those of these (viewer, person) pairs where there is such a person and the viewer may see what they do."""
    people = await users.cards(reader, {person_id for _, person_id in pairs})
    found = await edges.between(reader, pairs)
    return {pair for pair in found if pair[1] in people and shows(people[pair[1]], found[pair])}


async def followed(reader: Reader, pairs: Collection[tuple[str, str]]) -> set[tuple[str, str]]:
    """Those of these (viewer, person) pairs where the viewer may see what the person wrote for followers."""
    found = await edges.between(reader, pairs)
    return {pair for pair, edge in found.items() if (edge.follows_at and not edge.apart) or pair[0] == pair[1]}


async def apart(reader: Reader, viewer: str, ids: Iterable[str]) -> set[str]:
    """Those of these people whom a block, in either direction, keeps from this viewer."""
    found = await edges.between(reader, [(viewer, each) for each in set(ids)])
    return {edge.target for edge in found.values() if edge.apart}
