"""What of a WebP its pixels need (RFC 9649)."""

from collections.abc import Iterator
from typing import NamedTuple

from social.pictures.limits import MOST_PARTS, Refused, Source

PIXELS = (b"VP8X", b"ANIM", b"ANMF", b"ALPH", b"VP8 ", b"VP8L")
SAID = {b"ICCP": "profile", b"EXIF": "exif", b"XMP ": "xmp"}
FLAGS_OF_SAID = 0x20 | 0x08 | 0x04


class Chunk(NamedTuple):
    """A part of a WebP."""

    name: bytes
    content: bytes
    whole: bool
    end: int


def read(data: bytes) -> Source:
    """A WebP of the chunks that make its pixels; of an animation that is cut off, the frames that are whole.

    Raises Refused for more chunks than any program writes.
    """
    limit = 8 + int.from_bytes(data[4:8], "little")
    kept: list[Chunk] = []
    said: dict[str, bytes] = {}
    end, truncated = 12, False
    for chunk in _chunks(data, min(limit, len(data))):
        end = chunk.end
        if chunk.name in SAID and chunk.whole:
            said.setdefault(SAID[chunk.name], chunk.content)
        elif chunk.name in PIXELS and (chunk.whole or chunk.name != b"ANMF"):
            kept.append(chunk)
        truncated |= chunk.name in PIXELS and not chunk.whole
    if limit > len(data) and any(each.name == b"ANMF" for each in kept):
        truncated = True
    loops = next((int.from_bytes(each.content[4:6], "little") for each in kept if each.name == b"ANIM"), 1)
    return Source(
        kind="WEBP",
        end=min(max(end, limit), len(data)),
        file=_file(kept),
        loops=loops,
        truncated=truncated,
        lossless=not any(_lossy(each) for each in kept),
        profile=said.get("profile", b""),
        exif=said.get("exif", b""),
        xmp=said.get("xmp", b""),
    )


def _chunks(data: bytes, limit: int) -> Iterator[Chunk]:
    at = 12
    for _ in range(MOST_PARTS):
        if at + 8 > limit:
            return
        size = int.from_bytes(data[at + 4 : at + 8], "little")
        end = at + 8 + size
        yield Chunk(data[at : at + 4], data[at + 8 : end], end <= limit, min(end + size % 2, limit))
        at = end + size % 2
    raise Refused("too_much_work")


def _file(chunks: list[Chunk]) -> bytes:
    """A WebP of these chunks."""
    parts = []
    for chunk in chunks:
        content = chunk.content
        if chunk.name == b"VP8X":  # it no longer has what was said beside the pixels
            content = bytes((content[0] & ~FLAGS_OF_SAID,)) + content[1:] if content else content
        parts.append(chunk.name + len(content).to_bytes(4, "little") + content + b"\0" * (len(content) % 2))
    size = 4 + sum(len(part) for part in parts)
    return b"".join((b"RIFF", size.to_bytes(4, "little"), b"WEBP", *parts))


def _lossy(chunk: Chunk) -> bool:
    """Whether these pixels were made smaller at the price of being others; of a frame, after its header of 16 bytes."""
    return chunk.name == b"VP8 " or (chunk.name == b"ANMF" and chunk.content[16:20] != b"VP8L")
