"""People as others see them, and as they see themselves."""

from collections.abc import Iterable

from social.contracts.people import Link, Me, UserRef
from social.contracts.problems import NotFound
from social.contracts.pushes import UserStats
from social.infra.mongo import Document, Mongo, Reader

REF_FIELDS = {"username": 1, "display_name": 1, "avatar_url": 1}
KNOWN = ("_id", "username", "private", "followers")
HERE = {"suspended_at": None, "deleted_at": None}  # who is found by others; the rest is as if it had never been


def ref(user: Document) -> UserRef:
    """A person as named inside other things."""
    return UserRef.model_construct(
        id=user["_id"],
        username=user["username"],
        display_name=user["display_name"],
        avatar_url=user["avatar_url"],
    )


async def refs(mongo: Mongo, ids: Iterable[str]) -> dict[str, UserRef]:
    """Many people by id; those who are gone or suspended are missing."""
    return {each["_id"]: ref(each) for each in await some(mongo, ids)}


async def some(mongo: Mongo, ids: Iterable[str]) -> list[Document]:
    """What a reference to them needs, and whether their accounts are private; those who are not here are missing."""
    wanted = list(set(ids))
    if not wanted:
        return []
    return await mongo.many("users", {"_id": {"$in": wanted}, **HERE}, fields={**REF_FIELDS, "private": 1})


async def me(mongo: Mongo, user_id: str) -> Me:
    """One's own profile."""
    user = await mongo.one("users", {"_id": user_id, **HERE}, {"password": 0})
    if user is None:
        raise NotFound
    return own(user)


def own(user: Document) -> Me:
    """One's own profile, of one's document."""
    return Me.model_construct(**public(user), email=user["email"], email_verified=bool(user.get("email_verified_at")))


def new_profile(username: str) -> Document:
    """What a profile says before anybody edited it."""
    return {"display_name": username, "bio": None, "avatar_url": None, "links": [], "private": False}


async def by_username(reader: Reader, username: str) -> Document:
    """A person's document, without their password; raises NotFound."""
    user = await reader.one("users", {"username": username, **HERE}, {"password": 0})
    if user is None:
        raise NotFound
    return user


async def known(reader: Reader, username: str) -> Document:
    """Who somebody is, whether they are private, and how many follow them, at most 2 s ago; raises NotFound."""
    return reader.memory.get(username) or remember(reader, await by_username(reader, username))


def remember(reader: Reader, user: Document) -> Document:
    """Keep what `known` says of somebody who was just read."""
    kept = {name: user[name] for name in KNOWN if name in user}
    reader.memory.keep(user["username"], kept)
    return kept


async def stats(mongo: Mongo, ids: Iterable[str]) -> list[UserStats]:
    """Counters as folded so far."""
    fields = {"followers": 1, "following": 1, "posts": 1, "version": 1}
    users = await mongo.many("users", {"_id": {"$in": list(ids)}}, fields=fields)
    return [UserStats.model_construct(user_id=each["_id"], **_counts(each)) for each in users]


def _counts(user: Document) -> Document:
    return {name: max(0, user[name]) for name in ("followers", "following", "posts")} | {"version": user["version"]}


def public(user: Document) -> Document:
    """What a person's page says, whoever looks."""
    return {
        **ref(user).__dict__,
        "bio": user.get("bio"),
        "links": [Link.model_construct(**each) for each in user.get("links", ())],
        "private": user.get("private", False),
        "rev": user.get("rev", 0),
        "created_at": user["created_at"],
        **_counts(user),
    }
