"""Accounts that end: suspended by an operator until that is lifted, or deleted by their owner for good."""

from social.accounts import login, mailed_tokens, session_ends
from social.accounts.login import Authenticator
from social.contracts.activity import ActivityKind
from social.contracts.auth import SessionEnd
from social.contracts.events import AccountDeleted, SuspensionChanged, SuspensionCounted
from social.contracts.people import DeleteAccount
from social.contracts.problems import NotFound
from social.infra import clock
from social.infra.process.plaza import Plaza
from social.infra.store.mongo import Mongo, Transaction
from social.infra.store.rows import USERS, Document, UserRow
from social.people import activity, addresses, hidden_counts, terms, users, visibility_log


async def delete(plaza: Plaza, keys: Authenticator, ask: DeleteAccount, *, by: str) -> None:
    """Delete one's own account: gone for everybody when this returns, and from the store by and by.

    The e-mail address is free again at once; the username never is, or a stranger would take over whoever it was
    known to. Raises WrongPassword, RateLimited, NotFound when it is gone already.
    """
    if not await plaza.mongo.one(USERS, {"_id": by, **users.HERE}, {"_id": 1}):
        raise NotFound
    password = await login.confirm_password(plaza, keys, by, ask.password)
    await plaza.commit(_close, by, password)
    await session_ends.announce_all(plaza, by)


async def _close(tx: Transaction, user_id: str, password: str) -> None:
    here = {"_id": user_id, "password": password, **users.HERE}
    user = await tx.one(USERS, here, {"username": 1, "words": 1, "rev": 1})
    if user is None:
        raise NotFound  # another device was faster, or changed the password
    terms.move(tx, user, {**user, "words": []})
    blank = {**users.new_profile(user["username"]), "email": addresses.none(user_id), "password": None, "words": []}
    unchanged = {**here, "rev": user.get("rev")}
    tx.update(USERS, unchanged, {"$set": {**blank, "deleted_at": clock.now()}})
    mailed_tokens.forget_all(tx, user_id)
    users.changed(tx, user)
    tx.record(AccountDeleted(user_id=user_id))
    session_ends.end_all(tx, user_id, SessionEnd.DELETED)


async def suspend(mongo: Mongo, username: str, reason: str | None) -> None:
    """Suspend an account: within 2 s its tokens are refused and its sockets closed. Raises NotFound."""
    await mongo.transact(lambda tx: _suspend(tx, username, reason))


async def _suspend(tx: Transaction, username: str, reason: str | None) -> None:
    user = await _account(tx, username)
    suspended = {"suspended_at": user.get("suspended_at") or clock.now(), "suspended_for": reason}
    tx.update(USERS, _as_read(user), {"$set": {**suspended, hidden_counts.MARK: True}})
    if not user.get(hidden_counts.MARK):
        tx.record(SuspensionCounted(user_id=user["_id"], by=1, until=clock.now()))
    users.changed(tx, user)
    visibility_log.record(tx, user["_id"])
    session_ends.end_all(tx, user["_id"], SessionEnd.SUSPENDED)
    if not user.get("suspended_at"):
        activity.note(tx, user["_id"], ActivityKind.SUSPENDED)
    tx.record(SuspensionChanged(user_id=user["_id"]))


async def lift(mongo: Mongo, username: str) -> None:
    """Lift a suspension: the person can log in and is seen again; raises NotFound."""
    await mongo.transact(lambda tx: _lift(tx, username))


async def _lift(tx: Transaction, username: str) -> None:
    user = await _account(tx, username)
    gone = dict.fromkeys(("suspended_at", "suspended_for", hidden_counts.MARK), "")
    tx.update(USERS, _as_read(user), {"$unset": gone})
    if user.get(hidden_counts.MARK):
        tx.record(SuspensionCounted(user_id=user["_id"], by=-1))
    users.changed(tx, user)
    if user.get("suspended_at"):
        activity.note(tx, user["_id"], ActivityKind.SUSPENSION_LIFTED)
    tx.record(SuspensionChanged(user_id=user["_id"]))


async def _account(tx: Transaction, username: str) -> UserRow:
    fields = dict.fromkeys(("username", "suspended_at", hidden_counts.MARK), 1)
    user = await tx.one(USERS, {"username": username, "deleted_at": None}, fields)
    if user is None:
        raise NotFound(f"There is no account {username!r}")
    return user


def _as_read(user: UserRow) -> Document:
    """Return the condition that an account fulfils while nobody else suspends it or lifts its suspension."""
    unchanged = {name: user.get(name) for name in ("suspended_at", hidden_counts.MARK)}
    return {"_id": user["_id"], "deleted_at": None, **unchanged}
