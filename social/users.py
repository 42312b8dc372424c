"""People as others see them, and as they see themselves."""

from collections.abc import Iterable

from social.contracts.people import Me, Profile, UserRef
from social.contracts.problems import NotFound
from social.contracts.pushes import UserStats
from social.infra.mongo import Document, Mongo

REF_FIELDS = {"username": 1, "display_name": 1, "avatar_url": 1}


def ref(user: Document) -> UserRef:
    """A person as named inside other things."""
    return UserRef.model_construct(
        id=user["_id"],
        username=user["username"],
        display_name=user["display_name"],
        avatar_url=user["avatar_url"],
    )


async def refs(mongo: Mongo, ids: Iterable[str]) -> dict[str, UserRef]:
    """Many people by id; those who are gone are missing."""
    wanted = list(set(ids))
    if not wanted:
        return {}
    return {each["_id"]: ref(each) for each in await mongo.many("users", {"_id": {"$in": wanted}}, fields=REF_FIELDS)}


async def me(mongo: Mongo, user_id: str) -> Me:
    """One's own profile."""
    user = await mongo.one("users", {"_id": user_id}, {"password": 0})
    if user is None:
        raise NotFound
    return Me.model_construct(**_profile(user), email=user["email"], email_verified=bool(user.get("email_verified_at")))


async def profile(mongo: Mongo, username: str) -> Profile:
    """Somebody's public page."""
    user = await by_username(mongo, username)
    return Profile.model_construct(**_profile(user))


async def by_username(mongo: Mongo, username: str) -> Document:
    """A person's document, without their password; raises NotFound."""
    user = await mongo.one("users", {"username": username}, {"password": 0})
    if user is None:
        raise NotFound
    return user


async def stats(mongo: Mongo, ids: Iterable[str]) -> list[UserStats]:
    """Counters as folded so far."""
    fields = {"followers": 1, "following": 1, "posts": 1, "version": 1}
    users = await mongo.many("users", {"_id": {"$in": list(ids)}}, fields=fields)
    return [UserStats.model_construct(user_id=each["_id"], **_counts(each)) for each in users]


def _counts(user: Document) -> Document:
    return {name: max(0, user[name]) for name in ("followers", "following", "posts")} | {"version": user["version"]}


def _profile(user: Document) -> Document:
    return {**ref(user).__dict__, "created_at": user["created_at"], **_counts(user)}
