"""Events of accounts: mails, deletion, and the log of an account."""

from social.contracts.activity import ActivityKind
from social.contracts.auth import SessionEnd
from social.contracts.base import Id
from social.contracts.events.base import AboutUser, Event, Group


class _Mailed(AboutUser):
    """An event that sends a mail; a token in it is made when it is sent, so none is ever stored or queued."""

    groups = (Group.MAIL,)


class EmailVerificationRequested(_Mailed):
    routing_key = "email.verification_requested"


class EmailChangeRequested(_Mailed):
    routing_key = "email.change_requested"
    email: str


class EmailChanged(_Mailed):
    """An address was changed: notifies the old address."""

    routing_key = "email.changed"
    old_email: str


class PasswordChanged(_Mailed):
    routing_key = "password.changed"


class PasswordResetRequested(Event):
    """A reset was requested for an address; the work is equal whether or not an account has it."""

    routing_key = "password.reset_requested"
    groups = (Group.MAIL,)
    email: str

    @property
    def key(self) -> str:
        return f"email:{self.email}"


class AccountDeleted(AboutUser):
    routing_key = "account.deleted"
    groups = (Group.ACCOUNTS,)


class ForgettingContinued(AboutUser):
    """The next piece of a deleted account's data; `last_look` comes when no write of it can be under way."""

    routing_key = "account.forgetting_continued"
    groups = (Group.ACCOUNTS,)
    last_look: bool = False


class ActivityNoted(Event):
    """An entry for the log of an account; without `user_id` it is of no account, and no log keeps it.

    It carries the address and the device, since no document holds those of a finished request.
    """

    routing_key = "activity.noted"
    groups = (Group.ACTIVITY,)
    user_id: Id | None
    what: ActivityKind
    ip: str | None = None
    device: str | None = None
    session_id: Id | None = None  # the session that was opened or ended
    reason: SessionEnd | None = None  # why it ended
    about: Id | None = None  # the person who was blocked

    @property
    def key(self) -> str:
        return f"user:{self.user_id or 'nobody'}"
