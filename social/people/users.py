"""People as others see them, and as they see themselves."""

from collections.abc import Iterable
from datetime import datetime
from typing import cast

from social.contracts.people import Link, Me, UserRef
from social.contracts.problems import NotFound
from social.contracts.pushes import UserStats
from social.infra import clock
from social.infra.store import cached
from social.infra.store.mongo import Document, Mongo, Reader, Transaction
from social.infra.store.rows import USERS, PersonCounts, ProfileFields, UserRow
from social.people import addresses, counters, terms

# What is read of a person who is named inside other things, and kept for up to two seconds by every process.
CARD = (
    *("username", "display_name", "avatar_url", "private", "suspended_at", "deleted_at"),
    *("followers", "merged"),  # what decides how their posts reach timelines
    *("hidden", "counted_out"),  # what their counts leave out, and whether others' leave out theirs
)
REF_FIELDS = {"username": 1, "display_name": 1, "avatar_url": 1}
HERE = {"suspended_at": None, "deleted_at": None}  # who is found by others; the rest is as if it had never been


class Counts(PersonCounts):
    """The counts of a person as people see them, and their version."""

    version: int


def ref(user: UserRow) -> UserRef:
    """Return a reference to a person, as others' posts, comments and lists name them."""
    return UserRef.model_construct(
        id=user["_id"],
        username=user["username"],
        display_name=user["display_name"],
        avatar_url=user["avatar_url"],
    )


async def refs(reader: Reader, ids: Iterable[str]) -> dict[str, UserRef]:
    """Return references to people by id; those who are gone or suspended are missing."""
    return {user_id: ref(card) for user_id, card in (await cards(reader, ids)).items()}


async def cards(reader: Reader, ids: Iterable[str], *, since: datetime | None = None) -> dict[str, UserRow]:
    """Return the cards of people by id, as `all_cards` finds them; those who are gone or suspended are missing."""
    return {user_id: card for user_id, card in (await all_cards(reader, ids, since=since)).items() if here(card)}


async def all_cards(reader: Reader, ids: Iterable[str], *, since: datetime | None = None) -> dict[str, UserRow]:
    """Return the cards of people by id, suspended ones too, at most two seconds old; with `since`, read after that."""
    return await cached.get_many(reader, USERS, ids, CARD, since=since)


def here(user: UserRow) -> bool:
    """Return whether others find this person."""
    return user.get("suspended_at") is None and user.get("deleted_at") is None


def changed(tx: Transaction, user: UserRow) -> None:
    """Have every process read this person's card anew once the transaction is committed."""
    tx.stale += card_keys(user["_id"], user["username"])


def card_keys(user_id: str, username: str) -> tuple[str, str]:
    """Return the keys under which a card is remembered, by id and by username: no username has an @."""
    return cached.key(USERS, user_id), f"@{username}"


async def me(mongo: Mongo, user_id: str) -> Me:
    """Return a person's own profile; raises NotFound."""
    user = await mongo.one(USERS, {"_id": user_id, **HERE}, {"password": 0})
    if user is None:
        raise NotFound
    return own(user)


def own(user: UserRow) -> Me:
    """Return a person's own profile, made of their document."""
    return Me.model_construct(
        **public(user), email=addresses.of(user), email_verified=bool(user.get("email_verified_at"))
    )


def new_profile(username: str) -> ProfileFields:
    """Return the profile of a new account."""
    return {"display_name": username, "bio": None, "avatar_url": None, "links": [], "private": False}


def new(username: str, *, email: str, password: str, at: datetime) -> UserRow:
    """Return a new account with this password hash, opened at `at`."""
    profile = new_profile(username)
    return {
        "_id": clock.new_id(),
        "username": username,
        "email": email,
        "email_verified_at": None,
        "password": password,
        "display_name": profile["display_name"],
        "bio": profile["bio"],
        "avatar_url": profile["avatar_url"],
        "links": profile["links"],
        "private": profile["private"],
        "words": terms.of(username, username),
        "rev": 0,
        "created_at": at,
        "followers": 0,
        "following": 0,
        "posts": 0,
        "version": 0,
    }


async def by_username(reader: Reader, username: str) -> UserRow:
    """Return a person's document, without their password; raises NotFound."""
    user = await reader.one(USERS, {"username": username, **HERE}, {"password": 0})
    if user is None:
        raise NotFound
    return user


async def known(reader: Reader, username: str) -> UserRow:
    """Return a person's card, at most two seconds old, by username; raises NotFound."""
    key = f"@{username}"
    card: UserRow | None = reader.memory.get(key)
    if card is None:
        with reader.memory.reading(key) as reading:
            card = await reader.one(USERS, {"username": username, **HERE}, dict.fromkeys(CARD, 1))
            if card is None:
                raise NotFound
            reading.keep(key, card)
    return card


async def stats(mongo: Mongo, ids: Iterable[str]) -> list[UserStats]:
    """Return the counts of people as folded so far."""
    found = await mongo.get_many(USERS, ids, counters.read_fields(counters.OF_PEOPLE))
    return [UserStats.model_construct(user_id=each["_id"], **_counts(each)) for each in found.values()]


def _counts(user: UserRow) -> Counts:
    return cast(Counts, counters.all_shown(user, counters.OF_PEOPLE))


def public(user: UserRow) -> Document:
    """Return the fields of a person's page that do not depend on the viewer."""
    return {
        **ref(user).__dict__,
        "bio": user.get("bio"),
        "links": [Link.model_construct(**each) for each in user.get("links", ())],
        "private": user.get("private", False),
        "rev": user.get("rev", 0),
        "created_at": user["created_at"],
        **_counts(user),
    }
