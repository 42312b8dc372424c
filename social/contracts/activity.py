"""Entries of the log of an account."""

from enum import StrEnum

from pydantic import Field

from social.contracts.auth import SessionEnd
from social.contracts.base import Contract, Id, Page, Time
from social.contracts.people import UserRef


class ActivityKind(StrEnum):
    """Kinds of entries in the log of an account."""

    REGISTERED = "registered"
    LOGGED_IN = "logged_in"
    LOGIN_FAILED = "login_failed"
    SESSION_ENDED = "session_ended"
    ALL_SESSIONS_ENDED = "all_sessions_ended"
    PASSWORD_CHANGED = "password_changed"  # noqa: S105 - a kind of entry
    PASSWORD_RESET = "password_reset"  # noqa: S105 - a kind of entry
    EMAIL_CHANGE_REQUESTED = "email_change_requested"
    EMAIL_CHANGED = "email_changed"
    BLOCKED = "blocked"
    UNBLOCKED = "unblocked"
    SUSPENDED = "suspended"
    SUSPENSION_LIFTED = "suspension_lifted"
    ACCOUNT_DELETED = "account_deleted"


class Activity(Contract):
    """An event in the log of your account, and where the request that caused it came from."""

    id: Id
    what: ActivityKind
    at: Time
    ip: str | None = Field(examples=["203.0.113.7"], description="null if the operator or the system caused it")
    device: str | None = Field(examples=["Ada's phone"], description="as the client named it, or its User-Agent")
    session_id: Id | None = Field(description="the session that was opened or ended")
    reason: SessionEnd | None = Field(description="why a session ended")
    user: UserRef | None = Field(description="the person who was blocked or unblocked; null if the account is gone")


class Activities(Page[Activity]):
    """A page of the log of your account, newest first."""
