"""Events of home timelines and notifications."""

from datetime import datetime

from social.contracts.base import Id
from social.contracts.events.base import AboutPost, AboutUser, Event, Group


class MergingContinued(Event):
    """The author has more followers than a post is fanned out to: the next chunk of them merges their posts."""

    routing_key = "feed.merging_continued"
    groups = (Group.FEEDS,)
    author_id: Id
    after: Id | None = None

    @property
    def key(self) -> str:
        return f"user:{self.author_id}"


class TimelineWanted(AboutUser):
    """A person returned whose home timeline was not maintained: it is built from those they follow."""

    routing_key = "feed.timeline_wanted"
    groups = (Group.FEEDS,)


class NotificationsRead(AboutUser):
    """Notifications were read: pushes this to the reader's other devices."""

    routing_key = "notifications.read"
    groups = (Group.NOTIFICATIONS,)
    ids: list[Id] | None = None
    all_until: datetime | None = None


class NotificationsChanged(Event):
    """A person that these notifications name is gone: pushes the changed ones to their recipients."""

    routing_key = "notifications.changed"
    groups = (Group.NOTIFICATIONS,)
    ids: list[Id]

    @property
    def key(self) -> str:
        return f"notification:{self.ids[0]}"


class RemovalContinued(AboutPost):
    """The next chunk of notifications to remove about a deleted post, or about one comment of it."""

    routing_key = "notifications.removal_continued"
    groups = (Group.NOTIFICATIONS,)
    comment_id: Id | None = None


class PartingContinued(AboutUser):
    """The next chunk of notifications to remove between two people of whom `by` blocked the other."""

    routing_key = "notifications.parting_continued"
    groups = (Group.NOTIFICATIONS,)
    by: Id
