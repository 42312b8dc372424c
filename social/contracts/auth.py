"""Sessions, and the ways to change, prove and recover what one logs in with; tokens themselves are in `people`."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field, StringConstraints

from social.contracts.addresses import Email, GivenEmail
from social.contracts.base import Ask, Contract, Id, Page, Time
from social.contracts.people import GivenPassword, Password

OneTimeToken = Annotated[
    str,
    StringConstraints(min_length=1, max_length=128),
    Field(description="of the mail; it works once, and not for long"),
]


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
    TOO_MANY = "too_many_sessions"
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


class ChangePassword(Ask):
    """A new password, by who knows the old one."""

    current_password: GivenPassword
    new_password: Password


class ChangeEmail(Ask):
    """A new address; it counts once a mail to it was answered."""

    password: GivenPassword
    email: Email


class VerifyEmail(Ask):
    """The token of a mail, from who could read it."""

    token: OneTimeToken


class RequestPasswordReset(Ask):
    """Whose password is forgotten."""

    email: GivenEmail


class ResetPassword(Ask):
    """A new password, by who could read the mail."""

    token: OneTimeToken
    password: Password
