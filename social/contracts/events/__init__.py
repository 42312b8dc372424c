"""Domain events, recorded in the transaction that makes them true; consumers read the state of what they name."""

from collections.abc import Iterator

from social.contracts.events.accounts import (
    AccountDeleted,
    ActivityNoted,
    EmailChanged,
    EmailChangeRequested,
    EmailVerificationRequested,
    ForgettingContinued,
    PasswordChanged,
    PasswordResetRequested,
)
from social.contracts.events.base import (
    Event,
    Group,
)
from social.contracts.events.feeds import (
    MergingContinued,
    NotificationsChanged,
    NotificationsRead,
    PartingContinued,
    RemovalContinued,
    TimelineWanted,
)
from social.contracts.events.people import (
    FollowAccepted,
    FollowRequestClosed,
    FollowRequested,
    PrivacyChanged,
    SuspensionChanged,
    SuspensionCounted,
    UserBlocked,
    UserFollowed,
    UserMuted,
    UserUnblocked,
    UserUnfollowed,
    UserUnmuted,
)
from social.contracts.events.posts import (
    CommentAdded,
    CommentDeleted,
    CommentEdited,
    CommentLiked,
    CommentUnliked,
    FanOutContinued,
    PostDeleted,
    PostEdited,
    PostLiked,
    PostPublished,
    PostReposted,
    PostUnliked,
    PostUnreposted,
    Recounted,
)

__all__ = [
    "EVENTS",
    "AccountDeleted",
    "ActivityNoted",
    "CommentAdded",
    "CommentDeleted",
    "CommentEdited",
    "CommentLiked",
    "CommentUnliked",
    "EmailChangeRequested",
    "EmailChanged",
    "EmailVerificationRequested",
    "Event",
    "FanOutContinued",
    "FollowAccepted",
    "FollowRequestClosed",
    "FollowRequested",
    "ForgettingContinued",
    "Group",
    "MergingContinued",
    "NotificationsChanged",
    "NotificationsRead",
    "PartingContinued",
    "PasswordChanged",
    "PasswordResetRequested",
    "PostDeleted",
    "PostEdited",
    "PostLiked",
    "PostPublished",
    "PostReposted",
    "PostUnliked",
    "PostUnreposted",
    "PrivacyChanged",
    "Recounted",
    "RemovalContinued",
    "SuspensionChanged",
    "SuspensionCounted",
    "TimelineWanted",
    "UserBlocked",
    "UserFollowed",
    "UserMuted",
    "UserUnblocked",
    "UserUnfollowed",
    "UserUnmuted",
]


def _named(base: type[Event]) -> Iterator[type[Event]]:
    for each in base.__subclasses__():
        if "routing_key" in vars(each):
            yield each
        yield from _named(each)


EVENTS: dict[str, type[Event]] = {event.__name__: event for event in _named(Event)}
