"""The documents that go with a person, a post or a comment when it is deleted.

Erasure (`social/accounts/erasure.py`) goes through those of a person in this order, the sweeper
(`social/posts/orphans.py`) through those of posts and comments. A test finds a collection that is missing here.
"""

from collections.abc import Mapping
from enum import Enum, auto
from typing import Any, Literal, NamedTuple

from social.infra.store.mongo import Where
from social.infra.store.rows import (
    ACTIVITY,
    COMMENT_LIKES,
    COMMENTS,
    EDGES,
    FEED_ENTRIES,
    IDEMPOTENCY,
    INTERACTIONS,
    MEDIA,
    NAMES,
    NOTIFICATION_FACTS,
    NOTIFICATION_PREFERENCES,
    NOTIFICATIONS,
    ONE_TIME_TOKENS,
    POST_REVISIONS,
    POST_TERMS,
    POSTS,
    REPORTS,
    SESSIONS,
    STREAMS,
    TIMELINES,
    USERS,
    Collection,
    DeletedKind,
)

Owner = Literal["person"] | DeletedKind


class Fate(Enum):
    """The fate of a document whose owner is deleted."""

    DELETED = auto()  # and nothing follows from that
    UNLINKED = auto()  # it stays without the field
    HANDLED = auto()  # by a function of its own, since events or other writes follow
    ELSEWHERE = auto()  # no walk looks for it


class Owned(NamedTuple):
    """The documents of a collection that name their owner in a field; an `_id` begins with the owner's id."""

    collection: Collection[Any]
    field: str
    fate: Fate

    def where(self, user_id: str) -> Where:
        """Return the condition that the documents of this person meet."""
        beginning = {"$gte": user_id, "$lt": user_id + "g"}  # ids are hexadecimal
        return {self.field: beginning if self.field == "_id" else user_id}


OWNED_BY: Mapping[Owner, tuple[Owned, ...]] = {
    "person": (
        Owned(NAMES, "user_id", Fate.ELSEWHERE),  # in the transaction that deletes the account
        Owned(POSTS, "author_id", Fate.HANDLED),
        Owned(POST_TERMS, "author_id", Fate.ELSEWHERE),  # in the transaction that deletes the post
        Owned(MEDIA, "owner", Fate.HANDLED),
        Owned(INTERACTIONS, "user_id", Fate.HANDLED),
        Owned(POSTS, "mentions", Fate.HANDLED),
        Owned(COMMENTS, "mentions", Fate.HANDLED),
        Owned(COMMENTS, "author_id", Fate.HANDLED),
        Owned(COMMENT_LIKES, "user_id", Fate.HANDLED),
        Owned(EDGES, "_id", Fate.HANDLED),
        Owned(EDGES, "to", Fate.HANDLED),
        Owned(TIMELINES, "_id", Fate.DELETED),
        Owned(FEED_ENTRIES, "owner", Fate.DELETED),
        # The facts first, for these may be many: everybody who liked a post.
        Owned(NOTIFICATION_FACTS, "recipient", Fate.DELETED),
        Owned(NOTIFICATIONS, "recipient", Fate.DELETED),
        Owned(NOTIFICATION_FACTS, "actor", Fate.HANDLED),
        Owned(REPORTS, "reporter", Fate.UNLINKED),  # kept for the operator
        Owned(REPORTS, "about", Fate.DELETED),
        Owned(IDEMPOTENCY, "_id", Fate.DELETED),
        Owned(ONE_TIME_TOKENS, "user_id", Fate.DELETED),
        Owned(SESSIONS, "user_id", Fate.HANDLED),
        Owned(ACTIVITY, "about", Fate.UNLINKED),  # in the logs of others, who blocked them
        Owned(ACTIVITY, "user_id", Fate.DELETED),
        # In the last transaction of the erasure.
        Owned(STREAMS, "_id", Fate.ELSEWHERE),
        Owned(NOTIFICATION_PREFERENCES, "_id", Fate.ELSEWHERE),
        Owned(USERS, "_id", Fate.ELSEWHERE),
    ),
    "post": (
        Owned(COMMENTS, "post_id", Fate.HANDLED),
        Owned(INTERACTIONS, "post_id", Fate.DELETED),
        Owned(POST_REVISIONS, "post_id", Fate.DELETED),
        Owned(MEDIA, "post_id", Fate.HANDLED),
        # The workers delete them by the post's event.
        Owned(FEED_ENTRIES, "post_id", Fate.ELSEWHERE),
        Owned(NOTIFICATIONS, "post_id", Fate.ELSEWHERE),
    ),
    "comment": (
        Owned(COMMENTS, "parent_id", Fate.HANDLED),
        Owned(COMMENT_LIKES, "comment_id", Fate.DELETED),
    ),
}
