"""The e-mail address of an account, as the store keeps it."""

from social.contracts.addresses import normal
from social.infra.store.rows import UserRow


def none(user_id: str) -> str:
    """Return the placeholder for the address of an account that has none: unique, and no address."""
    return f"@{user_id}"


def of(user: UserRow) -> str | None:
    """Return the address of an account, or None."""
    email: str = user["email"]
    return None if email.startswith("@") else email


def spellings(given: str) -> list[str]:
    """Return how the store may spell an address as typed: first as it should, then as an older release did."""
    return list(dict.fromkeys((normal(given), given)))
