"""Hidden counts: how much of a count suspended people make up, who are left out of it and of the list beside it.

The folded counters go on counting everybody. Beside each stands how much of it is hidden (`hidden.likes`, …), and what
is shown is the difference: `social/posts/suspension.py` says when that changes.
"""

from collections.abc import Iterable
from typing import Any, Final

from social.infra.store.mongo import Reader, Transaction
from social.infra.store.rows import USERS, Collection
from social.people.counters import HIDDEN

MARK: Final = "counted_out"  # of an account whose acts are in what is hidden

Delta = tuple[Collection[Any], str, str, int]  # collection, id, counter, by how much


def add(tx: Transaction, deltas: Iterable[Delta]) -> None:
    """Change how much is hidden of counts, for what a verb changes itself."""
    for collection, id_, name, by in deltas:
        tx.touch(collection, {"_id": id_}, {"$inc": {f"{HIDDEN}.{name}": by}})


async def counted_out(reader: Reader, ids: Iterable[str]) -> set[str]:
    """Return which of these people are suspended and left out of counts: their acts are part of what is hidden."""
    people = await reader.get_many(USERS, sorted(set(ids)), (MARK,))
    return {user_id for user_id, user in people.items() if user.get(MARK)}
