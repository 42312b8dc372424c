"""Files that people upload, good and bad, and how they do it."""

import struct
import zlib
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import aiohttp
from PIL import Image

from social.contracts.media import MediaRef
from support.people import Answer, Person

MIMES = {"JPEG": "image/jpeg", "PNG": "image/png", "WEBP": "image/webp", "GIF": "image/gif"}


def saved(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    """A file of it."""
    out = BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def picture(kind: str = "PNG", size: tuple[int, int] = (80, 60), colour: str = "teal", **options: Any) -> bytes:
    """A file of one colour."""
    return saved(Image.new("RGB", size, colour), kind, **options)


def noise(size: tuple[int, int], kind: str = "PNG", **options: Any) -> bytes:
    """A file that cannot be made small."""
    return saved(Image.effect_noise(size, 80).convert("RGB"), kind, **options)


def opened(content: bytes) -> Image.Image:
    """The picture in a file."""
    image = Image.open(BytesIO(content))
    image.load()
    return image


def png(width: int, height: int, pixels: bytes) -> bytes:
    """A PNG that says it has this size, whatever is in it."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = ((b"IHDR", header), (b"IDAT", pixels), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(name, data) for name, data in parts)


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def gif(frames: int, side: int = 8) -> bytes:
    """A GIF of so many frames, each of another colour than the one before."""
    head = b"GIF89a" + struct.pack("<HHBBB", side, side, 0x80, 0, 0) + b"\x00\x00\x00\xff\xff\xff"
    frame = [
        b"\x21\xf9\x04\x00\x05\x00\x00\x00" + b"\x2c" + struct.pack("<HHHHB", 0, 0, side, side, 0) + lzw(colour, side)
        for colour in (0, 1)
    ]
    return head + b"".join(frame[number % 2] for number in range(frames)) + b"\x3b"


def lzw(colour: int, side: int) -> bytes:
    """A square of one colour, as GIF packs it: each pixel by itself, the table cleared before it grows."""
    codes = [code for _ in range(side * side) for code in (4, colour)] + [5]
    bits = "".join(format(code, "03b")[::-1] for code in codes)
    packed = bytes(int(bits[at : at + 8][::-1], 2) for at in range(0, len(bits), 8))
    blocks = b"".join(bytes([len(packed[at : at + 255])]) + packed[at : at + 255] for at in range(0, len(packed), 255))
    return b"\x02" + blocks + b"\x00"


def form(file: bytes, alt: str | None = None, *, name: str = "photo.png", mime: str = "image/png") -> aiohttp.FormData:
    """The form of an upload, as browsers send it."""
    data = aiohttp.FormData()
    data.add_field("file", BytesIO(file), filename=name, content_type=mime)
    if alt is not None:
        data.add_field("alt", alt)
    return data


async def upload(person: Person, file: bytes, alt: str | None = None, **more: Any) -> Answer:
    """Upload a file."""
    return await person.ask("POST", "/v1/media", data=form(file, alt), **more)


async def uploaded(person: Person, file: bytes | None = None, alt: str | None = None, **more: Any) -> MediaRef:
    """A picture of theirs."""
    return (await upload(person, file or picture(), alt, **more)).ok(MediaRef, 201)


def kept(folder: Path) -> list[Path]:
    """The files of a folder of pictures."""
    return sorted(path for path in folder.rglob("*") if path.is_file())


def shown(folder: Path) -> Iterator[Image.Image]:
    """The pictures kept there."""
    for path in kept(folder):
        yield opened(path.read_bytes())
