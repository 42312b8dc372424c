"""Domain events, recorded in the transaction that made them true; consumers look at what they name."""

from collections.abc import Iterator
from datetime import datetime
from enum import StrEnum
from typing import ClassVar, Literal

from pydantic import Field

from social.contracts.activity import ActivityKind
from social.contracts.auth import SessionEnd
from social.contracts.base import Contract, Id


class Group(StrEnum):
    """A consumer group: durable queues by the key of events, each with one active consumer."""

    NOTIFICATIONS = "notifications"
    FEEDS = "feeds"
    COUNTERS = "counters"
    MAIL = "mail"
    ACCOUNTS = "accounts"
    ACTIVITY = "activity"


class Event(Contract):
    """Base of all events; a new field gets a default one release before anyone relies on it."""

    routing_key: ClassVar[str]
    groups: ClassVar[tuple[Group, ...]]
    v: ClassVar[int] = 1

    @property
    def key(self) -> str:
        """What the event is about; travels in the envelope for people and for partitioning."""
        raise NotImplementedError


class _AboutPost(Event):
    post_id: Id
    author_id: Id

    @property
    def key(self) -> str:
        return f"post:{self.post_id}"


class PostPublished(_AboutPost):
    """`mentions`: the people its text names."""

    routing_key = "post.published"
    groups = (Group.FEEDS, Group.COUNTERS, Group.NOTIFICATIONS)
    mentions: list[Id] = Field(default_factory=list)


class PostEdited(_AboutPost):
    """`mentions`: the people its text names now."""

    routing_key = "post.edited"
    groups = (Group.FEEDS, Group.NOTIFICATIONS)
    mentions: list[Id] = Field(default_factory=list)


class FanOutContinued(_AboutPost):
    """The next chunk of followers of a published post, after this one; or of those of `by`, for a repost of it."""

    routing_key = "post.fan_out_continued"
    groups = (Group.FEEDS,)
    after: Id
    by: Id | None = None
    repost_id: Id | None = None


class MergingContinued(Event):
    """Somebody has more followers than a post is fanned out to: the chunk of them after this one merges theirs."""

    routing_key = "feed.merging_continued"
    groups = (Group.FEEDS,)
    author_id: Id
    after: Id | None = None

    @property
    def key(self) -> str:
        return f"user:{self.author_id}"


class PostDeleted(_AboutPost):
    routing_key = "post.deleted"
    groups = (Group.FEEDS, Group.COUNTERS, Group.NOTIFICATIONS)


class PostLiked(_AboutPost):
    routing_key = "post.liked"
    groups = (Group.NOTIFICATIONS, Group.COUNTERS)
    by: Id


class PostUnliked(_AboutPost):
    routing_key = "post.unliked"
    groups = (Group.NOTIFICATIONS, Group.COUNTERS)
    by: Id


class _Repost(_AboutPost):
    """`by` shows somebody's post to their own followers; `repost_id` is where it stands in time."""

    groups = (Group.NOTIFICATIONS, Group.FEEDS, Group.COUNTERS)
    by: Id
    repost_id: Id


class PostReposted(_Repost):
    routing_key = "post.reposted"


class PostUnreposted(_Repost):
    routing_key = "post.unreposted"


class _OfComment(_AboutPost):
    groups = (Group.NOTIFICATIONS, Group.COUNTERS)
    comment_id: Id
    by: Id


class _AboutComment(_OfComment):
    """A comment by `by`; where it is a reply, to the comment `parent_id` of `parent_author_id`."""

    parent_id: Id | None = None
    parent_author_id: Id | None = None


class CommentAdded(_AboutComment):
    routing_key = "comment.added"
    mentions: list[Id] = Field(default_factory=list)


class CommentEdited(_AboutComment):
    routing_key = "comment.edited"
    mentions: list[Id] = Field(default_factory=list)


class CommentDeleted(_AboutComment):
    routing_key = "comment.deleted"


class _CommentLike(_OfComment):
    """`by` likes the comment of `comment_author_id`."""

    comment_author_id: Id


class CommentLiked(_CommentLike):
    routing_key = "comment.liked"


class CommentUnliked(_CommentLike):
    routing_key = "comment.unliked"


class Recounted(Event):
    """Counts were found wrong and set right: tells whoever watches."""

    routing_key = "counts.recounted"
    groups = (Group.COUNTERS,)
    collection: Literal["posts", "comments", "users"]
    id: Id

    @property
    def key(self) -> str:
        return f"{self.collection}:{self.id}"


class _AboutEdge(Event):
    follower_id: Id
    followee_id: Id

    @property
    def key(self) -> str:
        return f"user:{self.followee_id}"


class UserFollowed(_AboutEdge):
    routing_key = "user.followed"
    groups = (Group.NOTIFICATIONS, Group.FEEDS, Group.COUNTERS)


class UserUnfollowed(_AboutEdge):
    routing_key = "user.unfollowed"
    groups = (Group.NOTIFICATIONS, Group.FEEDS, Group.COUNTERS)


class FollowRequested(_AboutEdge):
    """Somebody asks to follow a private account."""

    routing_key = "follow.requested"
    groups = (Group.NOTIFICATIONS, Group.FEEDS)


class FollowRequestClosed(_AboutEdge):
    """It was refused or taken back."""

    routing_key = "follow.request_closed"
    groups = (Group.NOTIFICATIONS,)


class FollowAccepted(_AboutEdge):
    """A request was accepted: the follow begins."""

    routing_key = "follow.accepted"
    groups = (Group.NOTIFICATIONS, Group.FEEDS, Group.COUNTERS)


class _AboutUser(Event):
    user_id: Id

    @property
    def key(self) -> str:
        return f"user:{self.user_id}"


class UserBlocked(_AboutUser):
    """The follows that it ended are told of by themselves."""

    routing_key = "user.blocked"
    groups = (Group.NOTIFICATIONS, Group.FEEDS)
    by: Id


class UserUnblocked(_AboutUser):
    routing_key = "user.unblocked"
    groups = (Group.FEEDS,)
    by: Id


class UserMuted(_AboutUser):
    routing_key = "user.muted"
    groups = (Group.FEEDS,)
    by: Id


class UserUnmuted(_AboutUser):
    routing_key = "user.unmuted"
    groups = (Group.FEEDS,)
    by: Id


class PrivacyChanged(_AboutUser):
    """An account became private, or public: then who waits for an answer is accepted."""

    routing_key = "user.privacy_changed"
    groups = (Group.FEEDS,)
    private: bool


class TimelineWanted(_AboutUser):
    """Somebody is back whose home timeline nobody wrote to: it is built from those they follow."""

    routing_key = "feed.timeline_wanted"
    groups = (Group.FEEDS,)


class NotificationsRead(_AboutUser):
    """Tells the reader's other devices."""

    routing_key = "notifications.read"
    groups = (Group.NOTIFICATIONS,)
    ids: list[Id] | None = None
    all_until: datetime | None = None


class NotificationsChanged(Event):
    """Somebody they named is gone: tells their recipients how they are now."""

    routing_key = "notifications.changed"
    groups = (Group.NOTIFICATIONS,)
    ids: list[Id]

    @property
    def key(self) -> str:
        return f"notification:{self.ids[0]}"


class RemovalContinued(_AboutPost):
    """The next of many notifications about a post that was deleted, or about one comment of it."""

    routing_key = "notifications.removal_continued"
    groups = (Group.NOTIFICATIONS,)
    comment_id: Id | None = None


class PartingContinued(_AboutUser):
    """The next of many notifications between two people of whom `by` blocked the other."""

    routing_key = "notifications.parting_continued"
    groups = (Group.NOTIFICATIONS,)
    by: Id


class SuspensionChanged(_AboutUser):
    """Somebody was suspended, or is back: whoever is told of nobody else hears of it, after this group."""

    routing_key = "user.suspension_changed"
    groups = (Group.NOTIFICATIONS,)
    after: str = ""


class SuspensionCounted(_AboutUser):
    """Somebody was suspended, or is back: counts leave out what they did, or have it again, chunk by chunk."""

    routing_key = "user.suspension_counted"
    groups = (Group.COUNTERS,)
    by: Literal[1, -1]  # what is hidden becomes more, or less
    until: datetime | None = None  # what began later is hidden already
    part: int = 0  # of the kinds of what they did
    after: str = ""


class _Mailed(_AboutUser):
    """Who is told by mail; a token in it is made when it is sent, so none is ever stored or queued."""

    groups = (Group.MAIL,)


class EmailVerificationRequested(_Mailed):
    routing_key = "email.verification_requested"


class EmailChangeRequested(_Mailed):
    routing_key = "email.change_requested"
    email: str


class EmailChanged(_Mailed):
    """Tells the old address."""

    routing_key = "email.changed"
    old_email: str


class PasswordChanged(_Mailed):
    routing_key = "password.changed"


class PasswordResetRequested(Event):
    """For an address, whoever has it: asking takes the same work whether or not anybody does."""

    routing_key = "password.reset_requested"
    groups = (Group.MAIL,)
    email: str

    @property
    def key(self) -> str:
        return f"email:{self.email}"


class AccountDeleted(_AboutUser):
    routing_key = "account.deleted"
    groups = (Group.ACCOUNTS,)


class ForgettingContinued(_AboutUser):
    """The next piece of what a deleted account left; the last look comes when nothing of it can be under way."""

    routing_key = "account.forgetting_continued"
    groups = (Group.ACCOUNTS,)
    last_look: bool = False


class ActivityNoted(Event):
    """Something that the log of an account keeps; without `user_id` nobody's, which no log keeps.

    It carries the address and the device, since no document holds those of a request that is over.
    """

    routing_key = "activity.noted"
    groups = (Group.ACTIVITY,)
    user_id: Id | None
    what: ActivityKind
    ip: str | None = None
    device: str | None = None
    session_id: Id | None = None  # which one was opened or ended
    reason: SessionEnd | None = None  # why it ended
    about: Id | None = None  # whom one blocked

    @property
    def key(self) -> str:
        return f"user:{self.user_id or 'nobody'}"


def _named(base: type[Event]) -> Iterator[type[Event]]:
    for each in base.__subclasses__():
        if "routing_key" in vars(each):
            yield each
        yield from _named(each)


EVENTS: dict[str, type[Event]] = {event.__name__: event for event in _named(Event)}
