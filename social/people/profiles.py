"""Editing one's own profile."""

from social.contracts.people import EditProfile, Me
from social.contracts.problems import NotFound
from social.infra.store.mongo import Transaction
from social.infra.store.revisions import WHATEVER, Expected
from social.people import privacy, terms, users


async def edit(tx: Transaction, ask: EditProfile, *, by: str, expected: Expected = WHATEVER) -> Me:
    """Change what is asked of one's own profile; whoever names this person from now on says it.

    Raises PreconditionFailed.
    """
    user = await tx.one("users", {"_id": by, **users.HERE}, {"password": 0})
    if user is None:
        raise NotFound
    expected.check(by, user.get("rev", 0))
    fresh, wanted = users.new_profile(user["username"]), ask.model_dump()
    change = {name: fresh[name] if wanted[name] is None else wanted[name] for name in ask.model_fields_set}
    edited = {**fresh, **user, **change, "rev": user.get("rev", 0) + 1}
    if "private" in change:
        await privacy.choose(tx, change.pop("private"), by=by)
    change["words"] = edited["words"] = terms.of(user["username"], edited["display_name"])
    tx.update("users", {"_id": by, "rev": user.get("rev")}, {"$set": change, "$inc": {"rev": 1}})
    terms.move(tx, user, edited)
    users.changed(tx, user)
    return users.own(edited)
