"""Files that people upload, good and bad, and helpers that upload them."""

import struct
import zlib
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import aiohttp
from PIL import Image, ImageCms

from social.contracts.media import MediaRef
from social.contracts.people import Me
from support.people import Answer, Person

MIMES = {"JPEG": "image/jpeg", "PNG": "image/png", "WEBP": "image/webp", "GIF": "image/gif"}


def saved(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    """Return the bytes of an image file."""
    out = BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def picture(kind: str = "PNG", size: tuple[int, int] = (80, 60), colour: str = "teal", **options: Any) -> bytes:
    """Return a file of a single colour."""
    return saved(Image.new("RGB", size, colour), kind, **options)


def noise(size: tuple[int, int], kind: str = "PNG", **options: Any) -> bytes:
    """Return a file that cannot be compressed."""
    return saved(Image.effect_noise(size, 80).convert("RGB"), kind, **options)


def webp(*colours: str, **options: Any) -> bytes:
    """Return a moving WebP with a frame of each colour."""
    images = [Image.new("RGB", (40, 30), colour) for colour in colours]
    return saved(images[0], "WEBP", save_all=True, append_images=images[1:], lossless=True, **options)


def opened(content: bytes) -> Image.Image:
    """Open the picture in a file."""
    image = Image.open(BytesIO(content))
    image.load()
    return image


def png(width: int, height: int, pixels: bytes) -> bytes:
    """Return a PNG whose header claims this size, whatever its pixels are."""
    return chunks(ihdr(width, height, 8, 2), (b"IDAT", pixels), (b"IEND", b""))


def ihdr(width: int, height: int, depth: int, colour: int) -> tuple[bytes, bytes]:
    """Return the first chunk of a PNG; colour is 0 grey, 2 RGB, 3 palette, 4 grey and alpha, 6 RGBA."""
    return b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)


def chunks(*parts: tuple[bytes, bytes] | bytes) -> bytes:
    """Return a PNG of these chunks; bytes are put between them as they are."""
    return b"\x89PNG\r\n\x1a\n" + b"".join(each if isinstance(each, bytes) else chunk(*each) for each in parts)


def chunk(name: bytes, data: bytes = b"") -> bytes:
    """Return a chunk of a PNG."""
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def gif(frames: int, side: int = 8) -> bytes:
    """Return a GIF of many frames, each of another colour than the one before."""
    head = b"GIF89a" + struct.pack("<HHBBB", side, side, 0x80, 0, 0) + b"\x00\x00\x00\xff\xff\xff"
    frame = [
        b"\x21\xf9\x04\x00\x05\x00\x00\x00" + b"\x2c" + struct.pack("<HHHHB", 0, 0, side, side, 0) + lzw(colour, side)
        for colour in (0, 1)
    ]
    return head + b"".join(frame[number % 2] for number in range(frames)) + b"\x3b"


def moving_gif(
    *frames: tuple[int, tuple[int, int, int, int], int], size: tuple[int, int], loops: bytes = b"", tail: bytes = b";"
) -> bytes:
    """Return a GIF of squares, black (0) or white (1), at x, y, with a side and a disposal, each shown for some ms."""
    made = b"GIF89a" + struct.pack("<HHBBB", *size, 0x80, 0, 0) + b"\x00\x00\x00\xff\xff\xff" + loops
    for colour, (x, y, side, then), ms in frames:
        control = b"!\xf9\x04" + bytes((then << 2,)) + struct.pack("<H", ms // 10) + b"\0\0" if ms >= 0 else b""
        made += control + b"," + struct.pack("<HHHHB", x, y, side, side, 0) + lzw(colour, side)
    return made + tail


def netscape(loops: int, name: bytes = b"NETSCAPE2.0") -> bytes:
    """Return the GIF extension that repeats it `loops` more times; 0: for ever."""
    return b"!\xff\x0b" + name + b"\x03\x01" + struct.pack("<H", loops) + b"\0"


def apng(
    *frames: tuple[str, tuple[int, int, int, int], tuple[int, int]],
    plays: int = 0,
    default: str | None = None,
    then: int = 0,
    over: int = 0,
    before: bytes = b"",
) -> bytes:
    """Return an animated PNG of coloured rectangles, each at x, y with a width and height, and its delay as a fraction.

    The first frame is as large as the picture; with a `default`, that colour is the still picture and no frame.
    """
    _, (_, _, width, height), _ = frames[0]
    if default:
        width, height = 40, 30
    parts: list[tuple[bytes, bytes] | bytes] = [ihdr(width, height, 8, 6), before]
    parts.append((b"acTL", struct.pack(">II", len(frames), plays)))
    if default:
        parts.append((b"IDAT", _rectangle(default, width, height)))
    number = 0
    for at, (colour, (x, y, wide, high), (delay, per)) in enumerate(frames):
        parts.append((b"fcTL", struct.pack(">IIIIIHHBB", number, wide, high, x, y, delay, per, then, over)))
        number += 1
        if at == 0 and not default:
            parts.append((b"IDAT", _rectangle(colour, wide, high)))
        else:
            parts.append((b"fdAT", struct.pack(">I", number) + _rectangle(colour, wide, high)))
            number += 1
    return chunks(*parts, (b"IEND", b""))


def _rectangle(colour: str, width: int, height: int) -> bytes:
    """Return the RGBA lines of a PNG."""
    line = b"\0" + Image.new("RGBA", (width, 1), colour).tobytes()
    return zlib.compress(line * height)


def segment(kind: int, content: bytes = b"") -> bytes:
    """Return a segment of a JPEG."""
    return bytes((0xFF, kind)) + struct.pack(">H", len(content) + 2) + content


def exif(orientation: int, order: str = "<", kind: int = 3) -> bytes:
    """Return EXIF with only the orientation of a picture; kind 3: a short, 4: a long."""
    entry = struct.pack(order + "HHI", 0x0112, kind, 1) + struct.pack(
        order + ("I" if kind == 4 else "HH"), orientation, *((0,) if kind == 3 else ())
    )
    return (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "IH", 8, 1) + entry + bytes(4)


def swapped() -> bytes:
    """Return a profile that is sRGB with red and blue swapped."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    return profile.replace(b"rXYZ", b"?XYZ").replace(b"bXYZ", b"rXYZ").replace(b"?XYZ", b"bXYZ")


def lzw(colour: int, side: int) -> bytes:
    """Return a square of one colour as LZW: each pixel by itself, the table cleared before it grows."""
    codes = [code for _ in range(side * side) for code in (4, colour)] + [5]
    bits = "".join(format(code, "03b")[::-1] for code in codes)
    packed = bytes(int(bits[at : at + 8][::-1], 2) for at in range(0, len(bits), 8))
    blocks = b"".join(bytes([len(packed[at : at + 255])]) + packed[at : at + 255] for at in range(0, len(packed), 255))
    return b"\x02" + blocks + b"\x00"


def form(file: bytes, alt: str | None = None, *, name: str = "photo.png", mime: str = "image/png") -> aiohttp.FormData:
    """Return the form of an upload, as browsers send it."""
    data = aiohttp.FormData()
    data.add_field("file", BytesIO(file), filename=name, content_type=mime)
    if alt is not None:
        data.add_field("alt", alt)
    return data


async def upload(person: Person, file: bytes, alt: str | None = None, **more: Any) -> Answer:
    """Upload a file and return the answer."""
    return await person.ask("POST", "/v1/media", data=form(file, alt), **more)


async def uploaded(person: Person, file: bytes | None = None, alt: str | None = None, **more: Any) -> MediaRef:
    """Upload a picture and return its reference."""
    return (await upload(person, file or picture(), alt, **more)).ok(MediaRef, 201)


async def worn(person: Person, file: bytes | None = None) -> str:
    """Make a picture the person's avatar and return its URL."""
    ref = await uploaded(person, file)
    url = (await person.ask("PUT", "/v1/users/me/avatar", {"media_id": ref.id})).ok(Me).avatar_url
    assert url is not None
    return url


def kept(folder: Path) -> list[Path]:
    """Return the files of a folder of pictures."""
    return sorted(path for path in folder.rglob("*") if path.is_file())


def shown(folder: Path) -> Iterator[Image.Image]:
    """Yield the pictures in a folder."""
    for path in kept(folder):
        yield opened(path.read_bytes())
