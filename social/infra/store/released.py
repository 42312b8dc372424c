"""Release of pictures: they are nobody's at once, and the sweeper deletes their bytes."""

from collections.abc import Sequence

from social.infra.store.mongo import Transaction
from social.infra.store.rows import MEDIA

GONE = {"$set": {"state": "gone", "owner": None, "post_id": None, "alt": "", "blurhash": ""}}


def release(tx: Transaction, media_ids: Sequence[str]) -> None:
    """Mark pictures as gone and as nobody's; the sweeper deletes their bytes."""
    tx.touch_all(MEDIA, {"_id": {"$in": list(media_ids)}, "state": {"$ne": "gone"}}, GONE)
