"""Events of follows, blocks, mutes, privacy and suspensions."""

from datetime import datetime
from typing import Literal

from social.contracts.base import Id
from social.contracts.events.base import AboutUser, Event, Group


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
    """A person asked to follow a private account."""

    routing_key = "follow.requested"
    groups = (Group.NOTIFICATIONS, Group.FEEDS)


class FollowRequestClosed(_AboutEdge):
    """A follow request was refused or taken back, or a block or a follow took its place."""

    routing_key = "follow.request_closed"
    groups = (Group.NOTIFICATIONS,)


class FollowAccepted(_AboutEdge):
    """A follow request was accepted: the follow begins."""

    routing_key = "follow.accepted"
    groups = (Group.NOTIFICATIONS, Group.FEEDS, Group.COUNTERS)


class UserBlocked(AboutUser):
    """A person was blocked by `by`; the follows and requests that it ended have events of their own."""

    routing_key = "user.blocked"
    groups = (Group.NOTIFICATIONS, Group.FEEDS)
    by: Id


class UserUnblocked(AboutUser):
    routing_key = "user.unblocked"
    groups = (Group.FEEDS,)
    by: Id


class UserMuted(AboutUser):
    routing_key = "user.muted"
    groups = (Group.FEEDS,)
    by: Id


class UserUnmuted(AboutUser):
    routing_key = "user.unmuted"
    groups = (Group.FEEDS,)
    by: Id


class PrivacyChanged(AboutUser):
    """An account became private or public; when it becomes public, open follow requests are accepted."""

    routing_key = "user.privacy_changed"
    groups = (Group.FEEDS,)
    private: bool


class SuspensionChanged(AboutUser):
    """A person was suspended or restored: updates notification groups with no other actor, those after `after`."""

    routing_key = "user.suspension_changed"
    groups = (Group.NOTIFICATIONS,)
    after: str = ""


class SuspensionCounted(AboutUser):
    """A person was suspended or restored: the next chunk of counts that leave out their acts, or include them again."""

    routing_key = "user.suspension_counted"
    groups = (Group.COUNTERS,)
    by: Literal[1, -1]  # more, or fewer, acts are hidden
    until: datetime | None = None  # acts that began later are hidden already
    part: int = 0  # index of the kind of act
    after: str = ""
