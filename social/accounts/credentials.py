"""Credentials: passwords and e-mail addresses that are changed, proven and recovered."""

from datetime import datetime

from social.accounts import login, mailed_tokens, session_ends, unproven
from social.accounts.login import TokenIssuer
from social.accounts.mailed_tokens import Purpose
from social.contracts.activity import ActivityKind
from social.contracts.auth import ChangeEmail, ChangePassword, ResetPassword, SessionEnd
from social.contracts.events import (
    EmailChanged,
    EmailChangeRequested,
    EmailVerificationRequested,
    PasswordChanged,
    PasswordResetRequested,
)
from social.contracts.problems import InvalidOneTimeToken, NotFound, WrongPassword
from social.infra import clock
from social.infra.process.plaza import Plaza
from social.infra.store.mongo import Transaction, Where
from social.infra.store.rows import USERS, UserRow
from social.people import activity, addresses
from social.people.activity import UNKNOWN, Client


async def change_password(
    plaza: Plaza, keys: TokenIssuer, ask: ChangePassword, *, by: str, session_id: str, client: Client = UNKNOWN
) -> None:
    """Change the password of a person who knows the old one; ends every other session. Raises WrongPassword."""
    old = await login.confirm_password(plaza, keys, by, ask.current_password)
    new = await keys.passwords.hash(ask.new_password)
    await plaza.commit(_change_password, by, old, new, keep=session_id, client=client)
    await session_ends.announce_all(plaza, by)


async def _change_password(tx: Transaction, user_id: str, old: str, new: str, *, keep: str, client: Client) -> None:
    where = {"_id": user_id, "password": old}
    if not await tx.one(USERS, where, {"_id": 1}):
        raise WrongPassword("It was changed at this moment")
    _set_password(tx, where, new)
    session_ends.end_all(tx, user_id, SessionEnd.PASSWORD_CHANGED, keep=keep)
    activity.note(tx, user_id, ActivityKind.PASSWORD_CHANGED, client)


async def request_reset(tx: Transaction, email: str) -> None:
    """Mail a token to the account with this address; the account is not looked up here, so the answer says nothing."""
    tx.record(PasswordResetRequested(email=email))


async def reset_password(plaza: Plaza, keys: TokenIssuer, ask: ResetPassword, client: Client = UNKNOWN) -> None:
    """Set a new password with a token that was mailed; ends every session. Raises InvalidOneTimeToken."""
    await mailed_tokens.look(plaza.mongo, Purpose.PASSWORD, ask.token)  # before the work of hashing
    password = await keys.passwords.hash(ask.password)
    user = await plaza.commit(_reset_password, ask.token, password, client)
    await session_ends.announce_all(plaza, user["_id"])
    await login.forgive(plaza, user)


async def _reset_password(tx: Transaction, token: str, password: str, client: Client) -> UserRow:
    spent = await mailed_tokens.spend(tx, Purpose.PASSWORD, token)
    where = {"_id": spent.user_id, "email": spent.email}
    user = await tx.one(USERS, where, {"username": 1, "email": 1, "email_verified_at": 1})
    if user is None:
        raise InvalidOneTimeToken
    proven = user.get("email_verified_at") or clock.now()  # only its owner could read the mail
    _set_password(tx, where, password, email_verified_at=proven)
    session_ends.end_all(tx, spent.user_id, SessionEnd.PASSWORD_RESET)
    activity.note(tx, spent.user_id, ActivityKind.PASSWORD_RESET, client)
    return user


def _set_password(tx: Transaction, where: Where, password: str, **more: datetime) -> None:
    """Set a password; requests made with the old one, such as a thief's for another address, are void from here on."""
    tx.update(USERS, where, {"$set": {"password": password, "password_changed_at": clock.now(), **more}})
    mailed_tokens.forget_all(tx, where["_id"])
    tx.record(PasswordChanged(user_id=where["_id"]))


def outdated(user: UserRow, asked_at: datetime) -> bool:
    """Return whether a request was made before the last change of the password."""
    changed_at = user.get("password_changed_at")
    return changed_at is not None and bool(asked_at <= changed_at)


async def request_verification(tx: Transaction, *, by: str) -> None:
    """Mail a token to one's own address, unless there is none or it is proven already."""
    user = await tx.one(USERS, {"_id": by}, {"email": 1, "email_verified_at": 1})
    if user is None:
        raise NotFound
    if addresses.of(user) and not user.get("email_verified_at"):
        tx.record(EmailVerificationRequested(user_id=by))


async def change_email(plaza: Plaza, keys: TokenIssuer, ask: ChangeEmail, *, by: str, client: Client = UNKNOWN) -> None:
    """Mail a token to a new address, which replaces the old one when it comes back; raises WrongPassword."""
    password = await login.confirm_password(plaza, keys, by, ask.password)
    await plaza.commit(_request_change, by, password, ask.email, client)


async def _request_change(tx: Transaction, user_id: str, password: str, email: str, client: Client) -> None:
    """Request a change of address; a write orders it with a change of password: refused after that, void before it."""
    where = {"_id": user_id, "password": password}
    if not await tx.one(USERS, where, {"_id": 1}):
        raise WrongPassword("It was changed at this moment")
    tx.update(USERS, where, {"$inc": {"email_changes": 1}})
    tx.record(EmailChangeRequested(user_id=user_id, email=email))
    activity.note(tx, user_id, ActivityKind.EMAIL_CHANGE_REQUESTED, client)


async def verify_email(tx: Transaction, token: str, client: Client = UNKNOWN) -> None:
    """Set an account's address to the one a token was mailed to, as proven; raises InvalidOneTimeToken, EmailTaken."""
    spent = await mailed_tokens.spend(tx, Purpose.EMAIL, token)
    user = await tx.one(USERS, {"_id": spent.user_id, "deleted_at": None}, {"email": 1, "password_changed_at": 1})
    if user is None or (user["email"] != spent.email and outdated(user, spent.asked_at)):
        raise InvalidOneTimeToken  # the mailer may make a token just after a change of the password voided the others
    if "email" in (tx.conflict or ""):
        await unproven.free(tx, spent.email)
    proven = {"$set": {"email": spent.email, "email_verified_at": clock.now()}}
    unchanged = {"_id": spent.user_id, "email": user["email"], "password_changed_at": user.get("password_changed_at")}
    tx.update(USERS, unchanged, proven)
    if user["email"] != spent.email:
        mailed_tokens.forget_all(tx, spent.user_id)  # what was mailed to the old address proves nothing any more
        if old := addresses.of(user):
            tx.record(EmailChanged(user_id=spent.user_id, old_email=old))
        activity.note(tx, spent.user_id, ActivityKind.EMAIL_CHANGED, client)
