"""Posts and comments deleted lately that may have something under them: the sweeper finds them without a search."""

from collections.abc import Iterable

from social.infra import clock
from social.infra.store.mongo import Transaction
from social.infra.store.rows import DELETIONS, DeletedKind, DeletionRow


def note(tx: Transaction, kind: DeletedKind, ids: Iterable[str]) -> None:
    """Note that this transaction deletes these posts or comments; the sweeper deletes what is under them."""
    now = clock.now()
    tx.insert(DELETIONS, *(DeletionRow(_id=each, kind=kind, at=now) for each in ids))
