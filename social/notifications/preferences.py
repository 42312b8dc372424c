"""Preferences: which types of notifications a person gets; a type that nothing is kept of is on."""

from collections.abc import Collection, Mapping
from typing import Any, get_args

from social.contracts.notifications import EditPreferences, NotificationType, Preferences
from social.infra.store import cached
from social.infra.store.mongo import Mongo, Reader, Transaction
from social.infra.store.rows import NOTIFICATION_PREFERENCES, PreferencesRow

TYPES: tuple[NotificationType, ...] = get_args(NotificationType)


async def get(mongo: Mongo, user_id: str) -> Preferences:
    """Return the preferences of a person."""
    return _preferences(await mongo.one(NOTIFICATION_PREFERENCES, {"_id": user_id}))


async def edit(tx: Transaction, ask: EditPreferences, *, by: str) -> Preferences:
    """Change some preferences; earlier notifications stay. Two devices that change different ones both take effect."""
    asked = {name: getattr(ask, name) for name in ask.model_fields_set}
    kept = {name: on for name, on in asked.items() if on is not None}
    before, gone = await tx.get(NOTIFICATION_PREFERENCES, by), asked.keys() - kept.keys()
    if asked:
        tx.touch(NOTIFICATION_PREFERENCES, {"_id": by}, {"$set": kept, "$unset": dict.fromkeys(gone, "")}, upsert=True)
        tx.stale.append(cached.key(NOTIFICATION_PREFERENCES, by))
    return _preferences({name: on for name, on in (before or {}).items() if name not in gone} | kept)


async def switched_off(reader: Reader, user_ids: Collection[str]) -> set[tuple[str, str]]:
    """Return which of these people switched off which types, as (person, type), at most two seconds old."""
    kept = await cached.get_many(reader, NOTIFICATION_PREFERENCES, user_ids, absent=PreferencesRow())
    return {(user_id, name) for user_id, each in kept.items() for name in TYPES if not each.get(name, True)}


def _preferences(kept: Mapping[str, Any] | None) -> Preferences:
    return Preferences.model_construct(**{name: (kept or {}).get(name, True) for name in TYPES})
