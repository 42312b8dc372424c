"""May this viewer see that post or comment? Every reader and every verb about posts asks here.

A post is shown where its author's posts are (`social/people/visibility.py`); a post for followers, of any account, is
for those who follow its author now.
"""

import itertools
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple, TypeVar

from social.contracts.problems import NotFound
from social.infra.store import cached
from social.infra.store.loaders import together
from social.infra.store.mongo import Reader
from social.infra.store.pairs import get_pairs
from social.infra.store.rows import (
    COMMENT_LIKES,
    COMMENTS,
    EDGES,
    INTERACTIONS,
    MEDIA,
    POSTS,
    AuthorFields,
    CommentRow,
    EdgeRow,
    InteractionRow,
    MediaRow,
    PostRow,
    UserRow,
)
from social.people import counters, edges, users
from social.people.edges import Edge
from social.people.visibility import not_public, shows
from social.posts import media_urls
from social.posts.counters import OF_POSTS

# What is read of a post that is shown; what it is found by is not.
POST = (
    *("author_id", "text", "entities", "media", "visibility", "created_at", "edited_at", "rev"),
    *counters.read_fields(OF_POSTS),
)


Text = TypeVar("Text", PostRow, CommentRow)

CLOCKS_DIFFER = timedelta(seconds=1)  # between processes at most; `doctor` warns of more


class SeenPost(NamedTuple):
    """A post with its author, for a viewer who may see it, and what the viewer did to it (`interactions`)."""

    post: PostRow
    author: UserRow
    did: InteractionRow | None = None
    follows: bool = False  # the viewer its author
    pictures: Sequence[MediaRow] = ()  # of the post

    @property
    def liked(self) -> bool:
        """Whether the viewer likes the post."""
        return self.did is not None and "like_id" in self.did

    @property
    def reposted(self) -> bool:
        """Whether the viewer reposted the post."""
        return self.did is not None and "repost_id" in self.did

    @property
    def bookmarked(self) -> bool:
        """Whether the post is among the viewer's bookmarks."""
        return self.did is not None and "bookmark_id" in self.did


class SeenComment(NamedTuple):
    """A comment with its author and its post, for a viewer who may see all of them."""

    comment: CommentRow
    author: UserRow
    post: PostRow
    liked: bool


class _Shown(NamedTuple):
    post: PostRow
    author: UserRow
    edge: Edge


async def post(reader: Reader, post_id: str, *, viewer: str) -> SeenPost:
    """Return a post that this viewer may see; raises NotFound."""
    for found in await posts(reader, [post_id], viewer=viewer):
        return found
    raise NotFound


async def readable(reader: Reader, post_id: str, *, viewer: str) -> PostRow:
    """Return a post that this viewer may see, by itself; raises NotFound."""
    for found in (await _shown(reader, await reader.get_many(POSTS, [post_id], POST), viewer)).values():
        return found.post
    raise NotFound


async def posts(
    reader: Reader, ids: Iterable[str], *, viewer: str, muted: bool = True, fresh: bool = True
) -> list[SeenPost]:
    """Return which of these posts this viewer may see, in this order, in two round trips.

    Where `muted` is false, posts of people whom the viewer mutes are left out too. Where `fresh` is false, texts and
    counts may be two seconds old; what the viewer may see is decided by the state of now all the same.
    """
    asked = list(ids)
    found, done = await together(
        reader.get_many(POSTS, asked, POST) if fresh else cached.get_many(reader, POSTS, asked, POST),
        get_pairs(reader, INTERACTIONS, ((each, viewer) for each in asked)),
    )
    media = itertools.chain(*(each.get("media", ()) for each in found.values()))
    shown, pictures = await together(_shown(reader, found, viewer), reader.get_many(MEDIA, media, media_urls.REF))
    seen = []
    for post_id, each in shown.items():
        if muted or not each.edge.mutes_at:
            did, follows = done.get(post_id + viewer), bool(each.edge.follows_at)
            seen.append(SeenPost(each.post, each.author, did, follows, media_urls.attached(pictures, each.post)))
    return seen


async def _shown(reader: Reader, found: Mapping[str, PostRow], viewer: str) -> dict[str, "_Shown"]:
    """Return which of these posts this viewer may see, by id.

    What decides is read last: how the viewer stands to the author after the post, and the author's card after the post
    was written.
    """
    ids = {each["author_id"] for each in found.values()}
    authors, to_people = await together(
        users.cards(reader, ids, since=_written(found.values())),
        get_pairs(reader, EDGES, ((viewer, each) for each in ids | named_in(found.values()))),
    )
    shown = {}
    for post_id, row in found.items():
        author, edge = authors.get(row["author_id"]), _edge(to_people, viewer, row["author_id"])
        if author is not None and shows_post(row, author, edge):
            shown[post_id] = _Shown(naming_none_apart(row, to_people, viewer), author, edge)
    return shown


def named_in(rows: Iterable[Text]) -> set[str]:
    """Return the people whom these posts or comments name in their texts."""
    return {each["user_id"] for row in rows for each in row.get("entities", ()) if each.get("user_id")}


def naming_none_apart(row: Text, to_people: Mapping[str, EdgeRow], viewer: str) -> Text:
    """Return a post or comment in which people whom a block keeps from the viewer are only text."""
    apart = {each for each in named_in([row]) if _edge(to_people, viewer, each).apart}
    if not apart:
        return row
    return {**row, "entities": [each for each in row["entities"] if each.get("user_id") not in apart]}


async def comment(reader: Reader, comment_id: str, *, viewer: str) -> SeenComment:
    """Return a comment that this viewer may see, under a post that they may see; raises NotFound.

    A reply is hidden with the comment it answers.
    """
    found, likes = await together(
        reader.get_many(COMMENTS, [comment_id]), get_pairs(reader, COMMENT_LIKES, [(comment_id, viewer)])
    )
    row = found.get(comment_id)
    if row is None:
        raise NotFound
    above, parents = await together(
        reader.get_many(POSTS, [row["post_id"]], POST),
        reader.get_many(COMMENTS, filter(None, [row.get("parent_id")]), ("author_id",)),
    )
    under, answered = above.get(row["post_id"]), {each["author_id"] for each in parents.values()}
    if under is None:
        raise NotFound
    people = {row["author_id"], under["author_id"], *answered}
    authors, to_people = await together(
        users.cards(reader, people, since=_written([under])),
        get_pairs(reader, EDGES, ((viewer, each) for each in people | named_in([row]))),
    )
    written_by, author = (authors.get(each["author_id"]) for each in (row, under))
    edge, to_author = (_edge(to_people, viewer, each["author_id"]) for each in (row, under))
    if written_by is None or author is None or not shows_post(under, author, to_author):
        raise NotFound
    if hides(written_by, edge) or any(hides(authors.get(each), _edge(to_people, viewer, each)) for each in answered):
        raise NotFound
    return SeenComment(naming_none_apart(row, to_people, viewer), written_by, under, bool(likes))


def hides(author: UserRow | None, edge: Edge) -> bool:
    """Return whether comments of an author, None where they are gone, are hidden from whom the edge to them starts."""
    return author is None or edge.apart or not_public(author, edge.source)


def _written(found: Iterable[PostRow]) -> datetime | None:
    """Return when the last of these posts was written, by any clock; an older card may say that all may see it.

    An author who closes their account and then writes is not read by viewers whose process still has it as open.
    """
    times = [each["edited_at"] or each["created_at"] for each in found]
    return max(times) + CLOCKS_DIFFER if times else None


def _edge(found: Mapping[str, EdgeRow], viewer: str, user_id: str) -> Edge:
    row = found.get(viewer + user_id)
    return edges.of(row) if row else Edge(viewer, user_id)


def shows_post(post: PostRow, author: AuthorFields, edge: Edge) -> bool:
    """Return whether a post is for the viewer at whom the edge to its author starts."""
    if post.get("visibility") == "followers" and not edge.follows_at and author["_id"] != edge.source:
        return False
    return shows(author, edge)
