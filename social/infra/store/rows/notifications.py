"""Documents of notifications: groups, the facts in them, what people switched off, and streams."""

from datetime import datetime
from typing import Literal, NotRequired, TypedDict

from social.contracts.notifications import NotificationType
from social.infra.store.rows.collection import Collection

TargetKind = Literal["post", "comment", "user"]


class TargetValue(TypedDict):
    """The post, comment or person that a group of notifications is about."""

    kind: TargetKind
    id: str


class NotificationRow(TypedDict):
    """A group of notifications of one type about one target, joined while it is unread."""

    _id: str
    recipient: str
    type: NotificationType
    target: TargetValue
    post_id: str | None
    actors: list[str]  # the newest first
    count: int
    rev: int
    told: int  # the revision that the recipient was notified of last
    created_at: datetime
    updated_at: datetime
    read_at: datetime | None
    removed_at: datetime | None
    open: NotRequired[bool]  # while it is unread
    slot: NotRequired[str]  # while it is unread: recipient, type and target, of which one group is unread
    hidden: NotRequired[bool]  # while nobody in it can be seen
    due_at: NotRequired[datetime]  # when to notify the recipient of a change
    since: NotRequired[datetime]  # when the first part of that change happened
    trace: NotRequired[str | None]  # the request that it comes from


def slot(recipient: str, type_: str, target_id: str) -> str:
    """Return the slot of the unread group of a type about a target; it begins with its recipient."""
    return f"{recipient}|{type_}|{target_id}"


def slot_of(group: NotificationRow) -> str:
    """Return the slot that a group has while it is unread."""
    return slot(group["recipient"], group["type"], group["target"]["id"])


class FactRow(TypedDict):
    """A cause of a notification that took effect."""

    _id: str  # a hash of the cause
    recipient: str
    actor: str
    group: str
    at: datetime
    withdrawn_at: NotRequired[datetime | None]


class PreferencesRow(TypedDict, total=False):
    """The types of notifications that a person switched off or on; empty for a person who never did."""

    _id: str
    like: bool
    comment: bool
    reply: bool
    mention: bool
    follow: bool
    follow_request: bool
    follow_accepted: bool
    repost: bool


class StreamItem(TypedDict):
    """An item of a stream as an older release writes it: number, key, revision of what it is about, and event."""

    s: int
    k: str
    rev: int
    e: str


class StreamRow(TypedDict):
    """The numbered list of the last events of a person."""

    _id: str
    epoch: str
    seq: int
    entries: NotRequired[list[str]]  # the last items, one text each: `Item.entry` of social/notifications/streams.py
    items: list[StreamItem]  # those that an older release appended since; the next append moves them to the entries
    paced_until: NotRequired[datetime]


NOTIFICATIONS = Collection[NotificationRow]("notifications")
NOTIFICATION_FACTS = Collection[FactRow]("notification_facts")
NOTIFICATION_PREFERENCES = Collection[PreferencesRow]("notification_preferences")
STREAMS = Collection[StreamRow]("streams")
