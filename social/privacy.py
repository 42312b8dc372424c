"""Private accounts: what somebody posts is for those they accept."""

from social import sight
from social.contracts.events import PrivacyChanged
from social.infra.mongo import Transaction


async def choose(tx: Transaction, private: bool, *, by: str) -> None:
    """Make one's account private, or public: then whoever waits for an answer is accepted."""
    if await tx.update("users", {"_id": by, "private": {"$ne": private}}, {"$set": {"private": private}}):
        await sight.changed(tx, by)
        tx.record(PrivacyChanged(user_id=by))
