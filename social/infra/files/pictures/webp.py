"""The parts of a WebP that its pixels need (RFC 9649)."""

from collections.abc import Iterator
from typing import NamedTuple

from social.infra.files.pictures.limits import MOST_PARTS, Refused, Source

PIXELS = (b"VP8X", b"ANIM", b"ANMF", b"ALPH", b"VP8 ", b"VP8L")
SAID = {b"ICCP": "profile", b"EXIF": "exif", b"XMP ": "xmp"}
FLAGS_OF_SAID = 0x20 | 0x08 | 0x04


class Chunk(NamedTuple):
    """A chunk of a WebP."""

    name: bytes
    content: bytes
    whole: bool
    end: int


def read(data: bytes) -> Source:
    """Return a WebP of the chunks that its pixels need; of an animation that is cut off, the frames that are whole.

    Raises Refused for more chunks than any program writes.
    """
    limit = 8 + int.from_bytes(data[4:8], "little")
    chunks = list(_chunks(data, min(limit, len(data))))
    if not chunks:
        raise Refused("not_a_picture")
    kept = [each for each in chunks if each.name in PIXELS and (each.whole or each.name != b"ANMF")]
    said: dict[str, bytes] = {}
    for chunk in chunks:
        if chunk.name in SAID and chunk.whole:
            said.setdefault(SAID[chunk.name], chunk.content)
    end = min(max([limit, *(each.end for each in chunks)]), len(data))
    moves = any(each.name == b"ANMF" for each in kept)
    unfinished = limit > len(data) and (chunks[-1].whole or chunks[-1].name in PIXELS)  # else all needed is there
    loops = next((int.from_bytes(each.content[4:6], "little") for each in kept if each.name == b"ANIM"), 1)
    return Source(
        kind="WEBP",
        end=end,
        file=_file(kept),
        loops=loops,
        truncated=moves and unfinished,  # a still picture is decoded as a whole or not at all
        lossless=not any(_lossy(each) for each in kept),
        profile=said.get("profile", b""),
        exif=said.get("exif", b""),
        xmp=said.get("xmp", b""),
    )


def _chunks(data: bytes, limit: int) -> Iterator[Chunk]:
    """Yield the chunks that begin before the limit: programs write a limit that is off by a byte or two."""
    at = 12
    for _ in range(MOST_PARTS):
        if at + 8 > limit:
            return
        size = int.from_bytes(data[at + 4 : at + 8], "little")
        end = at + 8 + size
        yield Chunk(data[at : at + 4], data[at + 8 : end], end <= len(data), end + size % 2)
        at = end + size % 2
    raise Refused("too_much_work")


def _file(chunks: list[Chunk]) -> bytes:
    """Return a WebP file of these chunks."""
    parts = []
    for chunk in chunks:
        content = chunk.content
        if chunk.name == b"VP8X":  # its metadata is gone
            content = bytes((content[0] & ~FLAGS_OF_SAID,)) + content[1:] if content else content
        parts.append(chunk.name + len(content).to_bytes(4, "little") + content + b"\0" * (len(content) % 2))
    size = 4 + sum(len(part) for part in parts)
    return b"".join((b"RIFF", size.to_bytes(4, "little"), b"WEBP", *parts))


def _lossy(chunk: Chunk) -> bool:
    """Return whether the pixels are compressed with loss; a frame's follow its header of 16 bytes."""
    return chunk.name == b"VP8 " or (chunk.name == b"ANMF" and chunk.content[16:20] != b"VP8L")
