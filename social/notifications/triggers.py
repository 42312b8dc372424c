"""Triggers: the table of which events notify whom, and which take that back.

An event only says what to look at. Whether a trigger holds is decided by the state (`policy.py`): one that no longer
does is taken back, so a like and an unlike have equal triggers, in whatever order they come.
"""

from collections.abc import Collection, Iterator, Sequence
from typing import Literal

from social.contracts.events import (
    CommentAdded,
    CommentDeleted,
    CommentEdited,
    CommentLiked,
    CommentUnliked,
    Event,
    FollowAccepted,
    FollowRequestClosed,
    FollowRequested,
    PartingContinued,
    PostDeleted,
    PostEdited,
    PostLiked,
    PostPublished,
    PostReposted,
    PostUnliked,
    PostUnreposted,
    RemovalContinued,
    SuspensionChanged,
    UserBlocked,
    UserFollowed,
    UserUnfollowed,
)
from social.infra.store.mongo import Reader, Where
from social.notifications import groups
from social.notifications.group_state import Trigger

NEW = (
    PostLiked,
    PostReposted,
    CommentLiked,
    CommentAdded,
    PostPublished,
    UserFollowed,
    FollowRequested,
    FollowAccepted,
)
ONCE = (PostLiked, PostReposted, CommentLiked, UserFollowed)  # of which each is news once, and of one thing
UNDOING = (PostUnliked, PostUnreposted, CommentUnliked, CommentDeleted, UserUnfollowed, FollowRequestClosed)
EDITING = (PostEdited, CommentEdited)  # what they made true is new, what they made untrue is taken back
REMOVING = (PostDeleted, RemovalContinued, UserBlocked, PartingContinued, SuspensionChanged)  # groups as a whole


def surely_new(events: Collection[Event]) -> set[str]:
    """Return the facts that only `ONCE` events are about: nearly always these facts are new."""
    once = {trigger.fact_id for event in events if isinstance(event, ONCE) for trigger in of(event)}
    return once - {trigger.fact_id for event in events if not isinstance(event, ONCE) for trigger in of(event)}


def of(event: Event) -> list[Trigger]:
    """Return the triggers of an event: what it may have made true, or untrue where it is UNDOING."""
    return [trigger for trigger in _of(event) if trigger.actor != trigger.recipient]


def _of(event: Event) -> Iterator[Trigger]:
    match event:
        case PostLiked() | PostUnliked():
            yield Trigger("like", "post", event.post_id, event.by, event.author_id, event.post_id)
        case PostReposted() | PostUnreposted():
            yield Trigger("repost", "post", event.post_id, event.by, event.author_id, event.post_id)
        case CommentLiked() | CommentUnliked():
            yield Trigger("like", "comment", event.comment_id, event.by, event.comment_author_id, event.post_id)
        case PostPublished() | PostEdited():
            for person in event.mentions:
                yield mention(event, person)
        case CommentAdded() | CommentEdited():
            yield from _of_comment(event, event.mentions)
        case CommentDeleted():
            yield from _of_comment(event, ())
        case UserFollowed():
            yield _to_followee("follow", event)
        case UserUnfollowed():
            yield _to_followee("follow", event)
            yield _accepted(event)
        case FollowRequested() | FollowRequestClosed():
            yield _to_followee("follow_request", event)
        case FollowAccepted():
            yield _to_followee("follow_request", event)  # which is no longer one
            yield _accepted(event)


_Edge = UserFollowed | UserUnfollowed | FollowRequested | FollowRequestClosed | FollowAccepted


def _to_followee(kind: Literal["follow", "follow_request"], event: _Edge) -> Trigger:
    return Trigger(kind, "user", event.followee_id, event.follower_id, event.followee_id, None)


def _accepted(event: _Edge) -> Trigger:
    return Trigger("follow_accepted", "user", event.follower_id, event.followee_id, event.follower_id, None)


def _of_comment(event: CommentAdded | CommentEdited | CommentDeleted, mentions: Sequence[str]) -> Iterator[Trigger]:
    by, post_id, comment_id = event.by, event.post_id, event.comment_id
    if event.parent_id and event.parent_author_id:
        yield Trigger("reply", "comment", event.parent_id, by, event.parent_author_id, post_id, comment_id)
    for person in dict.fromkeys([*mentions, event.author_id, event.parent_author_id or event.author_id]):
        yield mention(event, person)  # of the authors too: what they were notified of first, stays
    yield Trigger("comment", "post", post_id, by, event.author_id, post_id, comment_id)


def mention(event: PostPublished | PostEdited | CommentAdded | CommentEdited | CommentDeleted, person: str) -> Trigger:
    """Return the trigger of a mention in a post or a comment."""
    if isinstance(event, PostPublished | PostEdited):
        return Trigger("mention", "post", event.post_id, event.author_id, person, event.post_id)
    return Trigger("mention", "comment", event.comment_id, event.by, person, event.post_id, event.comment_id)


async def former(reader: Reader, events: Collection[Event]) -> list[Trigger]:
    """Return the mentions that an edit may have taken back: those notified of for the earlier text."""
    edited = {_edited(event): event for event in events if isinstance(event, PostEdited | CommentEdited)}
    named = await groups.mentioned_in(reader, {target: event.post_id for target, event in edited.items()})
    return [mention(edited[target], person) for target, person in named]


def _edited(event: PostEdited | CommentEdited) -> str:
    return event.post_id if isinstance(event, PostEdited) else event.comment_id


def parted(event: Event) -> tuple[tuple[str, str], Where] | None:
    """Return the two people whom an event parted, and the facts in which one is notified of the other; else None."""
    match event:
        case UserBlocked(by=one, user_id=other) | PartingContinued(by=one, user_id=other):
            return (one, other), {"recipient": {"$in": [one, other]}, "actor": {"$in": [one, other]}}
    return None


def gone(event: Event) -> Where | None:
    """Return the groups whose target an event took away."""
    match event:
        case PostDeleted() | RemovalContinued(comment_id=None):
            return {"post_id": event.post_id}
        case CommentDeleted() | RemovalContinued():
            return {"post_id": event.post_id, "target.id": event.comment_id}
    return None


def further(event: Event) -> RemovalContinued | PartingContinued:
    """Return the next piece, where what is to be taken back is more than one transaction takes."""
    if isinstance(event, UserBlocked | PartingContinued):
        return PartingContinued(by=event.by, user_id=event.user_id)
    assert isinstance(event, PostDeleted | CommentDeleted | RemovalContinued)
    comment_id = None if isinstance(event, PostDeleted) else event.comment_id
    return RemovalContinued(post_id=event.post_id, author_id=event.author_id, comment_id=comment_id)
