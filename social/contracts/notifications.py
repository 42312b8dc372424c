"""Notifications, grouped while unread, and the preferences for them."""

from datetime import UTC, datetime
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from social.contracts.base import ClientInput, Contract, Id, Page, Time
from social.contracts.people import UserRef

NotificationType = Literal[
    "like", "comment", "reply", "mention", "follow", "follow_request", "follow_accepted", "repost"
]


class Target(Contract):
    """The subject of a notification: the comment that was replied to, or the post or comment of a mention."""

    kind: Literal["post", "comment", "user"]
    id: Id


class Notification(Contract):
    """A group of notifications: the newest actors (at most 8), and their count; `rev` grows with each change."""

    id: Id
    type: NotificationType
    target: Target
    post_id: Id | None = None
    actors: list[UserRef]
    count: int
    rev: int
    created_at: Time
    updated_at: Time
    read_at: Time | None = None


class Notifications(Page[Notification]):
    """A page, with its stream position: connect first, then fetch, and no notification is missed."""

    offset: str
    unread: int


class Preferences(Contract):
    """The types of notifications that you get; all of them by default."""

    like: bool
    comment: bool
    reply: bool
    mention: bool
    follow: bool
    follow_request: bool
    follow_accepted: bool
    repost: bool


class EditPreferences(ClientInput):
    """Changes to these types (RFC 7396): absent is unchanged, null resets a type."""

    like: bool | None = None
    comment: bool | None = None
    reply: bool | None = None
    mention: bool | None = None
    follow: bool | None = None
    follow_request: bool | None = None
    follow_accepted: bool | None = None
    repost: bool | None = None


class Unread(Contract):
    """The number of unread notification groups."""

    unread: int


def _instant(at: datetime) -> datetime:
    if at.tzinfo is None:
        raise ValueError("needs a time zone")
    try:
        return at.astimezone(UTC)
    except OverflowError:
        raise ValueError("is outside the years 1 to 9999, UTC") from None


class Read(ClientInput):
    """Mark as read: these ids, or everything updated up to a time."""

    ids: Annotated[list[Id], Field(min_length=1, max_length=50)] | None = None
    all_until: Annotated[datetime, Field(strict=False), AfterValidator(_instant)] | None = None

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        if (self.ids is None) == (self.all_until is None):
            raise ValueError("give either ids or all_until")
        return self
