"""The sweep of pictures: those never finished or never used, and bytes that no picture has."""

import re
import time
from collections.abc import Iterator
from datetime import timedelta

from social.contracts.media import SIDES
from social.infra import clock
from social.infra.files.blobs import Blobs
from social.infra.store.mongo import Mongo
from social.infra.store.released import GONE
from social.infra.store.rows import MEDIA
from social.posts.media import names, square_name

UNFINISHED = timedelta(hours=1)  # nobody is writing its bytes any more
UNUSED = timedelta(hours=24)
SWEPT_AT_ONCE = 100
STRAYS_EVERY_S = 600

_NAME = re.compile(r"[0-9a-f]{2}/([0-9a-f]{24})(?:\.thumbnail|\.square[0-9]{1,3})?")


async def sweep(mongo: Mongo, blobs: Blobs) -> int:
    """Give up pictures never finished or used, and delete the bytes of those that are gone; return how many."""
    now, given_up = clock.now(), 0
    for state, lasts in (("pending", UNFINISHED), ("ready", UNUSED)):
        where = {"state": state, "at": {"$lt": now - lasts}}
        rows = await mongo.many(MEDIA, where, fields={"_id": 1}, limit=SWEPT_AT_ONCE)
        if rows:
            still = {"_id": {"$in": [row["_id"] for row in rows]}, "state": state}
            given_up += await mongo.update_all(MEDIA, still, GONE)
    gone = [row["_id"] for row in await mongo.many(MEDIA, {"state": "gone"}, fields={"_id": 1}, limit=SWEPT_AT_ONCE)]
    if gone:
        await blobs.delete(*(name for each in gone for name in _all_names(each)))
        await mongo.delete(MEDIA, {"_id": {"$in": gone}})
    return given_up + len(gone)


async def sweep_strays(mongo: Mongo, blobs: Blobs) -> int:
    """Delete bytes without a row, as a restored backup may leave them, in one of 256 parts; return how many."""
    part = f"{int(time.time() / STRAYS_EVERY_S) % 256:02x}/"
    oldest, after, went = int((clock.now() - UNUSED).timestamp()), "", await blobs.tidy()
    while found := await blobs.names(part, after):
        after = found[-1]
        by_id = {name: match[1] for name in found if (match := _NAME.fullmatch(name))}  # others are not ours
        old = {each for each in by_id.values() if int(each[:8], 16) < oldest}  # an id begins with its second
        known = await mongo.many(MEDIA, {"_id": {"$in": list(old)}}, fields={"_id": 1}) if old else []
        strays = old - {row["_id"] for row in known}
        doomed = [name for name, each in by_id.items() if each in strays]
        await blobs.delete(*doomed)
        went += len(doomed)
    return went


def _all_names(media_id: str) -> Iterator[str]:
    """Yield where any bytes of a picture may be: it may have been made an avatar just before it went."""
    yield from names(media_id)
    for side in SIDES:
        yield square_name(media_id, side)
