"""Sessions and what ends them: the shapes of the auth service beside the tokens themselves."""

from enum import StrEnum

from pydantic import Field

from social.contracts.base import Contract, Id, Page, Time


class SessionEnd(StrEnum):
    """Why a session ended: stored with it, and told to its sockets."""

    LOGOUT = "logout"
    LOGOUT_ALL = "logout_all"
    REMOVED = "session_removed"
    REUSED = "refresh_token_reused"
    PASSWORD_CHANGED = "password_changed"  # noqa: S105 - a reason
    PASSWORD_RESET = "password_reset"  # noqa: S105 - a reason
    SUSPENDED = "account_suspended"
    DELETED = "account_deleted"
    UNKNOWN = "session_revoked"  # told by a release that says no reason


class Session(Contract):
    """One login on one device."""

    id: Id
    device: str | None = Field(examples=["Ada's phone"], description="as the client named it, or its User-Agent")
    ip: str | None = Field(examples=["203.0.113.7"], description="where it logged in from")
    created_at: Time
    last_used_at: Time = Field(description="its login or its last refresh")
    current: bool = Field(description="the one that asks")


class Sessions(Page[Session]):
    """A page of open sessions, the newest first."""
