"""Sessions, and requests that change, verify and recover credentials; tokens are in `people`."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field, StringConstraints

from social.contracts.addresses import Email, GivenEmail
from social.contracts.base import ClientInput, Contract, Id, Page, Time
from social.contracts.people import GivenPassword, Password

OneTimeToken = Annotated[
    str,
    StringConstraints(min_length=1, max_length=128),
    Field(description="the token in the mail; it works once and expires soon"),
]


class SessionEnd(StrEnum):
    """Why a session ended: stored with it, and sent to its sockets."""

    LOGOUT = "logout"
    LOGOUT_ALL = "logout_all"
    REMOVED = "session_removed"
    REUSED = "refresh_token_reused"
    PASSWORD_CHANGED = "password_changed"  # noqa: S105 - a reason
    PASSWORD_RESET = "password_reset"  # noqa: S105 - a reason
    SUSPENDED = "account_suspended"
    DELETED = "account_deleted"
    TOO_MANY = "too_many_sessions"
    UNKNOWN = "session_revoked"  # of a release that stores no reason


class Session(Contract):
    """A login on a device."""

    id: Id
    device: str | None = Field(examples=["Ada's phone"], description="as the client named it, or its User-Agent")
    ip: str | None = Field(examples=["203.0.113.7"], description="the address of the login")
    created_at: Time
    last_used_at: Time = Field(description="time of the login or the last refresh")
    current: bool = Field(description="whether this is the session of this request")


class Sessions(Page[Session]):
    """A page of open sessions, newest first."""


class ChangePassword(ClientInput):
    """A new password, with the current one."""

    current_password: GivenPassword
    new_password: Password


class ChangeEmail(ClientInput):
    """A new address, which takes effect once it was verified by mail."""

    password: GivenPassword
    email: Email


class VerifyEmail(ClientInput):
    """The token from a verification mail."""

    token: OneTimeToken


class RequestPasswordReset(ClientInput):
    """The address of the account whose password is forgotten."""

    email: GivenEmail


class ResetPassword(ClientInput):
    """A new password, with the token from the mail."""

    token: OneTimeToken
    password: Password
