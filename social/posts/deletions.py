"""What was deleted lately and may have something under it, so that whoever sweeps finds all of it without a search."""

from collections.abc import Iterable
from typing import Literal

from social.infra import clock
from social.infra.store.mongo import Transaction
from social.infra.store.rows import DELETIONS, DeletionRow

Kind = Literal["post", "comment"]


def note(tx: Transaction, kind: Kind, ids: Iterable[str]) -> None:
    """These are deleted by this transaction; what is under them follows."""
    now = clock.now()
    tx.insert(DELETIONS, *(DeletionRow(_id=each, kind=kind, at=now) for each in ids))
