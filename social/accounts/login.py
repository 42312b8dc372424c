"""Accounts and sessions: passwords, refresh rotation, and sessions that can be ended."""

from dataclasses import dataclass
from datetime import timedelta

from social.accounts import refreshing, session_ends, unproven
from social.contracts.activity import ActivityKind
from social.contracts.addresses import normal
from social.contracts.auth import SessionEnd
from social.contracts.events import EmailVerificationRequested
from social.contracts.people import Login, Register, Tokens
from social.contracts.problems import (
    AccountSuspended,
    InvalidCredentials,
    InvalidRefreshToken,
    Problem,
    RefreshTokenReused,
    SessionRevoked,
    UsernameTaken,
    WrongPassword,
)
from social.feeds import timelines
from social.infra import clock
from social.infra.process.plaza import Plaza
from social.infra.security.passwords import Passwords
from social.infra.security.refresh_tokens import RefreshTokens
from social.infra.security.tokens import ACCESS_LIVES, Signer, Verifier
from social.infra.store.mongo import Transaction, Where
from social.infra.store.rows import SESSIONS, STREAMS, TIMELINES, USERS, SessionRow, UserRow
from social.notifications import streams
from social.people import activity, addresses, terms, users
from social.people.activity import UNKNOWN, Client

SESSION_LIVES = timedelta(days=30)  # since the last refresh
LOGIN_FIELDS = {**users.REF_FIELDS, "password": 1, "suspended_at": 1, session_ends.MARK: 1}
REFRESH_FIELDS = {**users.REF_FIELDS, "suspended_at": 1, session_ends.MARK: 1}


@dataclass(frozen=True, kw_only=True)
class Authenticator:
    """The means by which any service authenticates people: no secret is needed for it."""

    verifier: Verifier
    passwords: Passwords


@dataclass(frozen=True, kw_only=True)
class TokenIssuer(Authenticator):
    """The keys that only the auth service holds, to issue tokens."""

    signer: Signer
    refresh: RefreshTokens


async def register(plaza: Plaza, keys: TokenIssuer, ask: Register, client: Client = UNKNOWN) -> Tokens:
    """Open an account and its first session; raises UsernameTaken, EmailTaken."""
    password = await keys.passwords.hash(ask.password)
    user = users.new(ask.username, email=ask.email, password=password, at=clock.now())
    session, token = _new_session(keys, user["_id"], client)
    await plaza.commit(_open_account, user, session, client)
    return _tokens(keys, user, session, token)


async def login(plaza: Plaza, keys: TokenIssuer, ask: Login, client: Client = UNKNOWN) -> Tokens:
    """Open a session by username or e-mail.

    Raises InvalidCredentials, equal for a wrong name and a wrong password; AccountSuspended only with the right
    password; RateLimited after many failures.
    """
    user, known = await _compare(plaza, keys, _login(ask.username), ask.password, *_named(ask.username))
    if user is None or not known:
        activity.note_failed_login(plaza, user["_id"] if user else None, client)
        raise InvalidCredentials
    if user.get("suspended_at"):
        activity.note_failed_login(plaza, user["_id"], client)
        raise AccountSuspended
    session, token = _new_session(keys, user["_id"], client)
    await plaza.commit_always(_open_session, user, session, client)
    await session_ends.limit(plaza, user["_id"], client)
    return _tokens(keys, user, session, token)


async def refresh(plaza: Plaza, keys: TokenIssuer, token: str, client: Client = UNKNOWN) -> Tokens:
    """Trade a refresh token for the next pair of tokens; a token that was used before ends its whole session.

    While its successor is unused, that successor is answered again, for as long as `refreshing` says.
    Raises InvalidRefreshToken, RefreshTokenReused, SessionRevoked, AccountSuspended.
    """
    session_id = keys.refresh.session(token)
    if session_id is None:
        raise InvalidRefreshToken
    now, old, successor = clock.now(), keys.refresh.digest(token), keys.refresh.successor(token)
    rotated = await plaza.mongo.update(
        SESSIONS,
        {"_id": session_id, "hash": old, "revoked_at": None, "expires_at": {"$gt": now}},
        {"$set": {"hash": keys.refresh.digest(successor), "rotated_at": now, "expires_at": now + SESSION_LIVES}},
    )
    session = await plaza.mongo.one(SESSIONS, {"_id": session_id})
    if session is None or session["expires_at"] <= now:
        raise InvalidRefreshToken
    user = await plaza.mongo.one(USERS, {"_id": session["user_id"]}, REFRESH_FIELDS)
    if user is None:
        raise InvalidRefreshToken
    if user.get("suspended_at"):
        raise AccountSuspended
    if session["revoked_at"] is not None or session_ends.mark_of(user).ends(session):
        raise SessionRevoked
    if not rotated and not await refreshing.may_retry(plaza.mongo, session, keys.refresh.digest(successor), now):
        await session_ends.revoke(plaza, session_id, SessionEnd.REUSED, client)
        raise RefreshTokenReused
    return _tokens(keys, user, session, successor)


async def logout(plaza: Plaza, keys: TokenIssuer, token: str, client: Client = UNKNOWN) -> None:
    """End the session of a refresh token; with anything else there is nothing to end."""
    session_id = keys.refresh.session(token)
    if session_id is not None:
        await session_ends.revoke(plaza, session_id, SessionEnd.LOGOUT, client)


async def logout_all(plaza: Plaza, user_id: str, client: Client = UNKNOWN) -> None:
    """End all of a person's sessions."""
    await plaza.commit_always(_log_out_everywhere, user_id, client)
    await session_ends.announce_all(plaza, user_id)


async def _log_out_everywhere(tx: Transaction, user_id: str, client: Client) -> None:
    session_ends.end_all(tx, user_id, SessionEnd.LOGOUT_ALL)
    activity.note(tx, user_id, ActivityKind.ALL_SESSIONS_ENDED, client, reason=SessionEnd.LOGOUT_ALL)


async def confirm_password(plaza: Plaza, keys: Authenticator, user_id: str, password: str) -> str:
    """Return the stored hash, for who knows the password; raises WrongPassword, and RateLimited after many failures."""
    user, known = await _compare(plaza, keys, _account(user_id), password, {"_id": user_id})
    if user is None or not known:
        raise WrongPassword
    return str(user["password"])


async def forgive(plaza: Plaza, user: UserRow) -> None:
    """Forget failed logins of an account: its owner need not wait with a new password for guesses at the old one."""
    for name in (_login(user["username"]), _login(user["email"]), _account(user["_id"])):
        await plaza.delays.succeeded(name)


def _login(name: str) -> str:
    """Return the key that guesses at a login are counted by; a username that looks like a user id is kept apart."""
    return f"login {normal(name)}"


def _named(name: str) -> list[Where]:
    """Return conditions to find an account by username or address, which an older release may have spelt differently.

    What stands under the name of a deleted account, or in place of an address, is nobody's.
    """
    if "@" not in name:
        return [{"username": name, "deleted_at": None}]
    if name.startswith("@"):
        return []
    return [{"email": each} for each in addresses.spellings(name)]


def _account(user_id: str) -> str:
    return f"account {user_id}"


async def _compare(
    plaza: Plaza, keys: Authenticator, name: str, password: str, *places: Where
) -> tuple[UserRow | None, bool]:
    """Return the first account at these places, and whether it is their password.

    A failure counts, and takes the same work, whether or not anybody has the name.
    """
    await plaza.delays.attempt(name)
    try:
        user: UserRow | None = None
        for where in places:
            user = user or await plaza.mongo.one(USERS, where, LOGIN_FIELDS)
        known = await keys.passwords.verify(password, user["password"] if user else None)
    except Problem:
        await plaza.delays.undo(name)  # the store is away, or too many wait: nobody failed
        raise
    if known:
        await plaza.delays.succeeded(name)
    return user, known


async def _open_session(tx: Transaction, user: UserRow, session: SessionRow, client: Client) -> None:
    """Insert a session, unless the password of its account was changed meanwhile or the account suspended.

    The write to the account lets no login pass by either of these or by an end of all sessions: that is a write to the
    account too, so one of the two runs anew, and sees what the other one did. Raises InvalidCredentials.
    """
    same = {"_id": user["_id"], "password": user["password"], "suspended_at": None}
    now = await tx.one(USERS, same, {session_ends.MARK: 1}) if tx.attempt else user
    if now is None:
        raise InvalidCredentials
    generation = session_ends.mark_of(now).generation
    session["generation"] = generation
    tx.update(USERS, {**same, f"{session_ends.MARK}.generation": generation or None}, {"$inc": {"logins": 1}})
    tx.insert(SESSIONS, session)
    activity.note(tx, user["_id"], ActivityKind.LOGGED_IN, client, session_id=session["_id"])


async def _open_account(tx: Transaction, user: UserRow, session: SessionRow, client: Client) -> None:
    if "email" in (tx.conflict or ""):
        await unproven.free(tx, user["email"])
    elif tx.conflict:
        raise UsernameTaken
    tx.insert(USERS, user)
    terms.enter(tx, user)
    tx.insert(STREAMS, streams.new(user["_id"]))
    tx.insert(TIMELINES, timelines.new(user["_id"]))
    tx.insert(SESSIONS, session)
    tx.record(EmailVerificationRequested(user_id=user["_id"]))
    activity.note(tx, user["_id"], ActivityKind.REGISTERED, client, session_id=session["_id"])


def _new_session(keys: TokenIssuer, user_id: str, client: Client) -> tuple[SessionRow, str]:
    session_id, now = clock.new_id(), clock.now()
    token = keys.refresh.first(session_id)
    session: SessionRow = {
        "_id": session_id,
        "user_id": user_id,
        "hash": keys.refresh.digest(token),
        "ip": client.ip,
        "device": client.device,
        "created_at": now,
        "rotated_at": now,
        "expires_at": now + SESSION_LIVES,
        "revoked_at": None,
        "generation": 0,
    }
    return session, token


def _tokens(keys: TokenIssuer, user: UserRow, session: SessionRow, refresh_token: str) -> Tokens:
    generation = session_ends.generation(session)
    return Tokens(
        user=users.ref(user),
        access_token=keys.signer.sign(user["_id"], session["_id"], generation=generation),
        refresh_token=refresh_token,
        expires_in=round(ACCESS_LIVES.total_seconds()),
    )
