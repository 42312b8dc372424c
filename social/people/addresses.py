"""The e-mail address of an account, as the store keeps it."""

from social.contracts.addresses import normal
from social.infra.store.rows import UserRow


def none(user_id: str) -> str:
    """What stands in place of the address of an account that has none: unique, and no address."""
    return f"@{user_id}"


def of(user: UserRow) -> str | None:
    """The address of an account, or None."""
    email: str = user["email"]
    return None if email.startswith("@") else email


def spellings(given: str) -> list[str]:
    """How the store may spell an address that somebody typed: first as it should, then as an older release did."""
    return list(dict.fromkeys((normal(given), given)))
