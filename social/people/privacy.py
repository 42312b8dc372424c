"""Private accounts, whose posts are for the followers they accept."""

from social.contracts.events import PrivacyChanged
from social.infra import clock
from social.infra.store.mongo import Transaction
from social.infra.store.rows import USERS
from social.people import users, visibility_log


async def choose(tx: Transaction, private: bool, *, by: str) -> None:
    """Make an account private, or public: then all who wait for an answer are accepted."""
    user = await tx.one(USERS, {"_id": by}, {"username": 1, "private": 1})
    if user is not None and user.get("private", False) is not private:
        since = {"private_since": clock.now()} if private else {}
        before = {"_id": by, "private": user.get("private")}
        tx.update(USERS, before, {"$set": {"private": private, **since}})
        if private:
            visibility_log.record(tx, by)
        users.changed(tx, user)
        tx.record(PrivacyChanged(user_id=by, private=private))
