"""Counters: what each of them counts, and how much of a count is shown; those of people are declared here.

A counter is a field of a person, post or comment, which *has* the counter. Events change it, later than they commit,
and `social/ops/recount.py` compares it with the documents that it counts. `social/posts/counters.py` has all others.
"""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from social.contracts.events import Event, FollowAccepted, PostDeleted, PostPublished, UserFollowed, UserUnfollowed
from social.infra.store.rows import EDGES, POSTS, Collection
from social.people import edges

HIDDEN = "hidden"  # how much of each count is hidden: `hidden_counts`


class Counter(NamedTuple):
    """The declaration of a counter: which documents it counts, and which events change it by one."""

    counted: Collection[Any]
    field: str  # of the counted documents, with the id of the document that has the counter
    event_field: str  # of the events, with that id; where it is None the event changes nothing
    more: tuple[type[Event], ...]
    less: tuple[type[Event], ...]
    where: Mapping[str, Any] = {}  # which documents of the collection are counted, if not all


_FOLLOWED, _UNFOLLOWED = (UserFollowed, FollowAccepted), (UserUnfollowed,)

OF_PEOPLE: Mapping[str, Counter] = {
    "followers": Counter(EDGES, "to", "followee_id", _FOLLOWED, _UNFOLLOWED, {"follows_at": edges.EVER}),
    "following": Counter(EDGES, "from", "follower_id", _FOLLOWED, _UNFOLLOWED, {"follows_at": edges.EVER}),
    "posts": Counter(POSTS, "author_id", "author_id", (PostPublished,), (PostDeleted,)),
}


def read_fields(counters: Iterable[str]) -> tuple[str, ...]:
    """Return the fields that must be read of a document so that its counts can be shown."""
    return *counters, HIDDEN, "version"


def shown(document: Mapping[str, Any], name: str) -> int:
    """Return a count as everybody is shown it; never negative, whatever the deltas say meanwhile."""
    count, hidden = document.get(name, 0), document.get(HIDDEN)
    if hidden:
        count -= max(0, hidden.get(name, 0))
    return count if count > 0 else 0


def all_shown(document: Mapping[str, Any], counters: Iterable[str]) -> dict[str, int]:
    """Return these counts of a document as everybody is shown them, and their version."""
    return {**{name: shown(document, name) for name in counters}, "version": document.get("version", 0)}
