"""Who has which e-mail address: an account holds it unproven for a week, and from its proof on for good."""

from datetime import timedelta

from social import one_time
from social.contracts.addresses import normal
from social.contracts.problems import EmailTaken
from social.infra import clock
from social.infra.mongo import Document, Transaction

PROVE_WITHIN = timedelta(days=7)
TRIES = 5  # for an address that nobody has and the store refuses (decision 26 knows one that does)
HOLDER = {"email": 1, "email_verified_at": 1, "created_at": 1}


def none(user_id: str) -> str:
    """What stands in place of the address of an account that has none: unique, and no address."""
    return f"@{user_id}"


def of(user: Document) -> str | None:
    """The address of an account, or None."""
    email: str = user["email"]
    return None if email.startswith("@") else email


def spellings(given: str) -> list[str]:
    """How the store may spell an address that somebody typed: first as it should, then as an older release did."""
    return list(dict.fromkeys((normal(given), given)))


async def take(tx: Transaction, email: str) -> None:
    """Free an address whose holder did not prove it in time; raises EmailTaken where they did, or still may.

    The other account goes on without an address: it was its only by its own word.
    """
    holder = await tx.one("users", {"email": email}, HOLDER)
    if holder is None and tx.attempt < TRIES:
        return  # it was freed meanwhile
    if holder is None or holder.get("email_verified_at") or holder["created_at"] > clock.now() - PROVE_WITHIN:
        raise EmailTaken
    unproven = {"_id": holder["_id"], "email": email, "email_verified_at": None}
    tx.update("users", unproven, {"$set": {"email": none(holder["_id"])}})
    one_time.forget_all(tx, holder["_id"])
