"""Unproven e-mail addresses: an account holds an address unproven for a week, and from its proof on for good."""

from datetime import timedelta

from social.accounts import mailed_tokens
from social.contracts.problems import EmailTaken
from social.infra import clock
from social.infra.store.mongo import Transaction
from social.infra.store.rows import USERS
from social.people.addresses import none

PROVE_WITHIN = timedelta(days=7)


TRIES = 5  # for an address that nobody has and the store refuses (decision 26 knows one that does)


HOLDER = {"email": 1, "email_verified_at": 1, "created_at": 1}


async def free(tx: Transaction, email: str) -> None:
    """Free an address whose holder did not prove it in time; raises EmailTaken where they did, or still may.

    The other account goes on without an address, which it only had claimed.
    """
    holder = await tx.one(USERS, {"email": email}, HOLDER)
    if holder is None and tx.attempt < TRIES:
        return  # it was freed meanwhile
    if holder is None or holder.get("email_verified_at") or holder["created_at"] > clock.now() - PROVE_WITHIN:
        raise EmailTaken
    unproven = {"_id": holder["_id"], "email": email, "email_verified_at": None}
    tx.update(USERS, unproven, {"$set": {"email": none(holder["_id"])}})
    mailed_tokens.forget_all(tx, holder["_id"])
