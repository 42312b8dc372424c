"""Editing one's own profile."""

from typing import Literal, get_args

from social.contracts.people import EditProfile, Me
from social.contracts.problems import NotFound
from social.infra.store.mongo import Reader, Transaction
from social.infra.store.released import release
from social.infra.store.revisions import WHATEVER, Expected
from social.infra.store.rows import USERS, Document, UserRow
from social.people import privacy, terms, users

Field = Literal["display_name", "bio", "avatar_url", "links", "private"]
PROFILE: tuple[Field, ...] = get_args(Field)


async def edit(tx: Transaction, ask: EditProfile, *, by: str, expected: Expected = WHATEVER) -> Me:
    """Edit one's own profile; from now on it is shown wherever this person is named.

    Raises PreconditionFailed.
    """
    user = await own_row(tx, by, expected)
    fresh, wanted = users.new_profile(user["username"]), ask.model_dump()
    asked = [name for name in PROFILE if name in ask.model_fields_set]
    edited: UserRow = {**fresh, **user, "rev": user.get("rev", 0) + 1}
    for name in asked:
        edited[name] = fresh[name] if wanted[name] is None else wanted[name]
    change: Document = {name: edited[name] for name in asked}
    if "private" in change:
        await privacy.choose(tx, change.pop("private"), by=by)
    change["words"] = edited["words"] = terms.of(user["username"], edited["display_name"])
    if "avatar_url" in change:
        _release_avatar(tx, user)
        change["avatar"] = None
    tx.update(USERS, {"_id": by, "rev": user.get("rev")}, {"$set": change, "$inc": {"rev": 1}})
    terms.move(tx, user, edited)
    users.changed(tx, user)
    return users.own(edited)


def change_avatar(tx: Transaction, user: UserRow, media_id: str | None, url: str | None) -> Me:
    """Show another picture wherever this person is named, or none; the one before is released."""
    _release_avatar(tx, user)
    edited: UserRow = {**user, "avatar": media_id, "avatar_url": url, "rev": user.get("rev", 0) + 1}
    change = {"$set": {"avatar": media_id, "avatar_url": url}, "$inc": {"rev": 1}}
    tx.update(USERS, {"_id": user["_id"], "rev": user.get("rev")}, change)
    users.changed(tx, user)
    return users.own(edited)


async def own_row(reader: Reader, by: str, expected: Expected) -> UserRow:
    """Return the document of the person who edits; raises NotFound, PreconditionFailed."""
    user = await reader.one(USERS, {"_id": by, **users.HERE}, {"password": 0})
    if user is None:
        raise NotFound
    expected.check(by, user.get("rev", 0))
    return user


def _release_avatar(tx: Transaction, user: UserRow) -> None:
    if media_id := user.get("avatar"):
        release(tx, [media_id])
