"""Places in a home timeline, as clients keep them: opaque, short, and refused where they are not ours.

Who asks for what is newer must also be told of what comes in late: a post that committed after one with a greater id,
or whose fan-out waited. So a cursor to newer lines says when the last line had come in, and which of those that had
just come in then were seen: within `SETTLES` of each other, arrival stamps and commits may be in any order. Of more
than `MOST_SEEN` it says so of the newest, and what is below them counts as seen: nothing is told again and again.
"""

import base64
import binascii
import struct
import zlib
from datetime import datetime, timedelta
from typing import NamedTuple

from social.contracts.problems import FieldProblem, ValidationFailed
from social.infra import clock

SETTLES = timedelta(seconds=15)  # no write is under way for longer, and no two clocks are further apart
MOST_SEEN = 110  # fingerprints: 484 characters, less than `paging.LONGEST`, and more than the longest page has lines

_OLDER, _BEYOND, _NEWER, _BEYOND_NEAR = 1, 2, 3, 4
_PLACE = struct.Struct(">B12s")
_NEAR = struct.Struct(">B12s4s")
_LAST_MS = 0xFFFFFFFF * 1000  # of the time in an id
_SINCE = struct.Struct(">B12s12sQ")


class Older(NamedTuple):
    """What is older than a place; `beyond` where no entries are kept any more, and the next lines are above `near`."""

    place: str
    beyond: bool = False
    near: str = ""


class Newer(NamedTuple):
    """What is newer than a place, and what came in since below it but above `bottom`, without what was `seen`."""

    place: str
    bottom: str
    since: datetime
    seen: frozenset[int]


def fingerprint(place: str) -> int:
    """Three bytes of a place."""
    return zlib.crc32(bytes.fromhex(place)) & 0xFFFFFF


def write(at: Older | Newer) -> str:
    """A cursor, as a client gets it."""
    if isinstance(at, Older):
        packed = _PLACE.pack(_BEYOND if at.beyond else _OLDER, bytes.fromhex(at.place))
        if at.near:
            packed = _NEAR.pack(_BEYOND_NEAR, bytes.fromhex(at.place), bytes.fromhex(at.near[:8]))
    else:
        seen = b"".join(each.to_bytes(3, "big") for each in sorted(at.seen))
        bottom = bytes.fromhex(at.bottom or "0" * 24)
        packed = _SINCE.pack(_NEWER, bytes.fromhex(at.place), bottom, clock.millis(at.since)) + seen
    return base64.urlsafe_b64encode(packed).rstrip(b"=").decode()


def read(cursor: str) -> Older | Newer:
    """Where a client was; raises ValidationFailed."""
    try:
        packed = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        if packed[:1] in (b"\1", b"\2") and len(packed) == _PLACE.size:
            kind, place = _PLACE.unpack(packed)
            return Older(place.hex(), kind == _BEYOND)
        if packed[:1] == b"\4" and len(packed) == _NEAR.size:
            _, place, near = _NEAR.unpack(packed)
            return Older(place.hex(), True, near.hex() + "0" * 16)
        many, odd = divmod(len(packed) - _SINCE.size, 3)
        if packed[:1] == b"\3" and 0 <= many <= MOST_SEEN and not odd:
            _, place, bottom, since = _SINCE.unpack(packed[: _SINCE.size])
            rest = packed[_SINCE.size :]
            if since > _LAST_MS:
                raise ValueError("no id is made so late")
            seen = frozenset(int.from_bytes(rest[at : at + 3], "big") for at in range(0, len(rest), 3))
            return Newer(place.hex(), bottom.hex(), clock.at_millis(since), seen)
        raise ValueError("another list's cursor")
    except (ValueError, OverflowError, struct.error, binascii.Error):
        problem = FieldProblem(pointer="?cursor", code="cursor", detail="not a cursor of this list")
        raise ValidationFailed(errors=[problem]) from None
