"""Places in a home timeline, as they are sealed for clients: made of lines that are shown, and of no others.

Whoever asks for newer lines must also get those that come in late: a post that committed after one with a greater id,
or whose fan-out waited. So a cursor to newer lines says when the last line had come in, and which of those that had
just come in then were seen: within `SETTLES` of each other, arrival stamps and commits may be in any order. Of more
than `MOST_SEEN` it says so of the newest, and what is below them counts as seen: no line is returned again and again.
"""

import struct
import zlib
from datetime import datetime
from typing import NamedTuple

from social.infra import clock
from social.infra.store.sealing import refusal

MOST_SEEN = 104  # fingerprints: sealed 492 characters, less than `paging.LONGEST`; the longest page has 100 lines

_OLDER, _NEWER = 1, 3
_PLACE = struct.Struct(">B12s?4s")
_LAST_MS = 0xFFFFFFFF * 1000  # of the time in an id
_SINCE = struct.Struct(">B12s12sQ")


class Older(NamedTuple):
    """Lines older than a place; `beyond` where no entries are kept any more, and the next lines are above `near`."""

    place: str
    beyond: bool = False
    near: str = ""


class Newer(NamedTuple):
    """Lines newer than a place, and those that came in since below it but above `bottom`, without those `seen`."""

    place: str
    bottom: str
    since: datetime
    seen: frozenset[int]


def fingerprint(place: str) -> int:
    """Return three bytes of a place."""
    return zlib.crc32(bytes.fromhex(place)) & 0xFFFFFF


def pack(at: Older | Newer) -> bytes:
    """Return the bytes of a place that a cursor seals."""
    if isinstance(at, Older):
        return _PLACE.pack(_OLDER, bytes.fromhex(at.place), at.beyond, bytes.fromhex(at.near[:8] or "0" * 8))
    seen = b"".join(each.to_bytes(3, "big") for each in sorted(at.seen))
    bottom = bytes.fromhex(at.bottom or "0" * 24)
    return _SINCE.pack(_NEWER, bytes.fromhex(at.place), bottom, clock.millis(at.since)) + seen


def unpack(packed: bytes) -> Older | Newer:
    """Return where a client was; raises ValidationFailed."""
    try:
        if packed[0] == _OLDER:
            _, place, beyond, near = _PLACE.unpack(packed)
            return Older(place.hex(), beyond, near.hex() + "0" * 16 if any(near) else "")
        _, place, bottom, since = _SINCE.unpack(packed[: _SINCE.size])
        rest = packed[_SINCE.size :]
        if packed[0] != _NEWER or len(rest) % 3 or len(rest) > 3 * MOST_SEEN or since > _LAST_MS:
            raise ValueError("of another release")
        seen = frozenset(int.from_bytes(rest[at : at + 3], "big") for at in range(0, len(rest), 3))
        return Newer(place.hex(), bottom.hex(), clock.at_millis(since), seen)
    except (ValueError, LookupError, OverflowError, struct.error):
        raise refusal() from None
