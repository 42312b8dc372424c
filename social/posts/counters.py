"""The counters of posts and comments, and the table of all counters.

A new counter is a line here and a field of its document's type in `social/infra/store/rows`, and of the contracts that
show it.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

from social.contracts.events import (
    CommentAdded,
    CommentDeleted,
    CommentLiked,
    CommentUnliked,
    Event,
    PostLiked,
    PostReposted,
    PostUnliked,
    PostUnreposted,
)
from social.infra.store.rows import COMMENT_LIKES, COMMENTS, INTERACTIONS, POSTS, USERS, Collection
from social.people.counters import OF_PEOPLE, Counter
from social.people.hidden_counts import Delta
from social.posts.interactions import ACTS, DONE, Act


def _acts(act: Act, more: type[Event], less: type[Event]) -> Counter:
    return Counter(INTERACTIONS, "post_id", "post_id", (more,), (less,), {act: DONE})


def _comments(field: str) -> Counter:
    return Counter(COMMENTS, field, field, (CommentAdded,), (CommentDeleted,))


OF_POSTS: Mapping[str, Counter] = {
    "likes": _acts("like_id", PostLiked, PostUnliked),
    "comments": _comments("post_id"),  # and the replies to them
    "reposts": _acts("repost_id", PostReposted, PostUnreposted),
}
OF_COMMENTS: Mapping[str, Counter] = {
    "likes": Counter(COMMENT_LIKES, "comment_id", "comment_id", (CommentLiked,), (CommentUnliked,)),
    "replies": _comments("parent_id"),
}
COUNTERS: Mapping[Collection[Any], Mapping[str, Counter]] = {
    POSTS: OF_POSTS,
    COMMENTS: OF_COMMENTS,
    USERS: OF_PEOPLE,
}

# The counter of posts that counts an act; nobody counts bookmarks.
OF_ACTS: Mapping[Act, str] = {act: name for name, counter in OF_POSTS.items() for act in ACTS if act in counter.where}

_CHANGES: dict[type[Event], list[tuple[Collection[Any], str, str, int]]] = defaultdict(list)
for _collection, _counters in COUNTERS.items():
    for _name, _counter in _counters.items():
        for _events, _by in ((_counter.more, 1), (_counter.less, -1)):
            for _event in _events:
                _CHANGES[_event].append((_collection, _counter.event_field, _name, _by))


def deltas(event: Event) -> Iterator[Delta]:
    """Yield the changes of counts that an event makes."""
    for collection, field, name, by in _CHANGES.get(type(event), ()):
        if document_id := getattr(event, field):
            yield collection, document_id, name, by
