"""One picture from stdin to stdout, as a program of its own: it imports nothing of ours and is given no secrets.

In: the bytes of a file. Out: the length of a JSON object in four bytes, the object, then the picture and its thumbnail,
`sizes` long. `{"refused": code}` instead names what is wrong: not_a_picture, more_than_a_picture, too_many_pixels,
too_many_frames, too_much_work, broken.
What is written is made of pixels alone: no EXIF, no place, no comments, no profile, no bytes before or after.
"""

import copy
import json
import os
import re
import resource
import sys
import warnings
from io import BytesIO
from typing import Any

import blurhash
from PIL import (
    GifImagePlugin,
    Image,
    ImageCms,
    ImageOps,
    JpegImagePlugin,
    MpoImagePlugin,
    PngImagePlugin,
    UnidentifiedImageError,
    WebPImagePlugin,
)

# Pillow would import these when it needs them; by then files are out of reach.
EARLY = (GifImagePlugin, JpegImagePlugin, MpoImagePlugin, PngImagePlugin, WebPImagePlugin, copy)

MEMORY = 768 * 1024 * 1024  # bytes of address space; measured: no 25 megapixels need 640 MiB, some more than 512
CPU_S = 10  # measured: no 25 megapixels take more than 5
MOST_PIXELS = 25_000_000  # of all frames together
MOST_FRAMES = 250
MOST_SCANS = 100  # of a JPEG: progressive ones have about ten, and each is a walk over all pixels
MOST_SCANNED = 20 * MOST_PIXELS  # pixels of all scans together
MOST_PARTS = 20_000  # segments, chunks or blocks of a file: Pillow takes a few µs for each, however small it is
MOST_BYTES = 12 * 1024 * 1024  # of a PNG: what is larger becomes a WebP
LONGEST_SIDE = 16_383  # what WebP can hold
THUMBNAIL = (400, 400)
TINY = (32, 32)  # what a blurhash is made of: it shows no more
# Long enough that pixels do not look like it: less than one in 100,000 pictures of 10 MiB by chance.
PAGE = re.compile(rb"<(?:script|!doctype\s|(?:html|\?php)[\s>]|svg\s[^<>]{0,200}xmlns)", re.IGNORECASE)
ARCHIVE_END, ARCHIVE_ENTRY = b"PK\5\6", b"PK\1\2"  # PKWARE APPNOTE 4.3.12, 4.3.16
LONGEST_ARCHIVE_END = 22 + 65_535
MARKER = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]")  # of a JPEG; the others are part of its pixels
SRGB = ImageCms.createProfile("sRGB")

SAVED: dict[str, dict[str, Any]] = {
    "JPEG": {"quality": 85, "progressive": True},
    "PNG": {"compress_level": 4},
    "WEBP": {"quality": 82, "method": 2},
}


class Refused(Exception):
    """This file is not for us; says why in one word."""


def main() -> None:
    """Take everything away from this process, then look at the file."""
    _confine()
    data = sys.stdin.buffer.read()
    try:
        told, parts = _picture(data)
    except Refused as refusal:
        told, parts = {"refused": str(refusal)}, []
    except (MemoryError, Image.DecompressionBombError, Image.DecompressionBombWarning):
        told, parts = {"refused": "too_many_pixels"}, []
    except UnidentifiedImageError:
        told, parts = {"refused": "not_a_picture"}, []
    except Exception:  # whatever a codec stumbles over
        told, parts = {"refused": "broken"}, []
    header = json.dumps({**told, "sizes": [len(part) for part in parts]}).encode()
    for part in (len(header).to_bytes(4, "big"), header, *parts):
        sys.stdout.buffer.write(part)
    sys.stdout.buffer.flush()


def _confine() -> None:
    """No more memory, time, files, sockets or processes than a picture needs; and everybody else goes first."""
    Image.preinit()
    os.nice(10)
    limits = {"AS": MEMORY, "CPU": CPU_S, "FSIZE": 0, "NOFILE": 0, "NPROC": 0, "CORE": 0}
    if sys.platform == "darwin":  # which has no such limit
        del limits["AS"]
    for name, most in limits.items():
        resource.setrlimit(getattr(resource, f"RLIMIT_{name}"), (most, most))
    Image.MAX_IMAGE_PIXELS = MOST_PIXELS
    warnings.simplefilter("ignore")
    warnings.simplefilter("error", Image.DecompressionBombWarning)


def _more_than_a_picture(data: bytes) -> bool:
    """Whether it is a page, a document or an archive as well; what cameras leave behind a picture is none of these."""
    if b"%PDF-" in data[:1_024] or PAGE.search(data):
        return True
    at = data.rfind(ARCHIVE_END, -LONGEST_ARCHIVE_END)
    directory = at - int.from_bytes(data[at + 12 : at + 16], "little")  # its entries end where this record begins
    return at >= 0 and directory >= 0 and data.startswith(ARCHIVE_ENTRY, directory)


def _scans(data: bytes) -> int:
    """The scans of a JPEG, as far as they are counted; what is between its segments is skipped, as libjpeg does."""
    at, scans, pixels = 2, 0, False
    for _ in range(MOST_PARTS):
        marker = MARKER.search(data, at)
        if marker is None or marker[0] == b"\xff\xd9" or scans > MOST_SCANS:
            return scans
        if not pixels and marker.start() - at > MOST_PARTS:
            break
        at, kind = marker.end(), marker[0][1]
        pixels = kind == 0xDA
        scans += pixels
        if kind not in (0x01, 0xD8):  # these stand alone
            at += max(2, int.from_bytes(data[at : at + 2], "big"))
    raise Refused("too_much_work")


def _frames(data: bytes) -> int:
    """The frames of a GIF, as far as they are counted."""
    at, frames = 13 + _colours(data, 10), 0
    for _ in range(MOST_PARTS):
        kind = data[at : at + 1]
        if kind == b",":
            frames += 1
            at += 11 + _colours(data, at + 9)
        elif kind == b"!":
            at += 2
        else:
            return frames
        if frames > MOST_FRAMES:
            return frames
        while size := data[at] if at < len(data) else 0:
            at += 1 + size
        at += 1
    raise Refused("too_much_work")


def _colours(data: bytes, at: int) -> int:
    """The bytes of a table of colours that the flags at this place announce."""
    flags = data[at] if at < len(data) else 0
    return 3 * 2 ** ((flags & 7) + 1) if flags & 0x80 else 0


def _look_ahead(data: bytes) -> int:
    """How many scans it has, one where that means nothing; Refused for what would be work without an end."""
    if data.startswith(b"\xff\xd8"):
        scans = _scans(data)
        if scans > MOST_SCANS:
            raise Refused("too_much_work")
        return scans
    if data.startswith(b"GIF") and _frames(data) > MOST_FRAMES:
        raise Refused("too_many_frames")
    if data.startswith(b"\x89PNG"):
        at = 8
        for _ in range(MOST_PARTS):
            if at >= len(data):
                return 1
            at += 12 + int.from_bytes(data[at : at + 4], "big")
        raise Refused("too_much_work")
    return 1


def _picture(data: bytes) -> tuple[dict[str, Any], list[bytes]]:
    scans = _look_ahead(data)
    with Image.open(BytesIO(data), formats=("JPEG", "PNG", "WEBP", "GIF")) as image:
        width, height = image.size
        if width * height > MOST_PIXELS or max(width, height) > LONGEST_SIDE:
            raise Refused("too_many_pixels")
        if scans * width * height > MOST_SCANNED:
            raise Refused("too_much_work")
        kind = "JPEG" if image.format == "MPO" else image.format  # of two lenses the first
        frames = 1 if kind == "JPEG" else getattr(image, "n_frames", 1)
        if frames > MOST_FRAMES:
            raise Refused("too_many_frames")
        if frames * width * height > MOST_PIXELS:
            raise Refused("too_many_pixels")
        if _more_than_a_picture(data):
            raise Refused("more_than_a_picture")
        if frames > 1:
            return _animation(image, frames)
        image.load()
        still = _plain(image)
    kind = "PNG" if kind == "GIF" else str(kind)
    saved = _saved(still, kind)
    if kind == "PNG" and len(saved) > MOST_BYTES:
        kind, saved = "WEBP", _saved(still, "WEBP")
    return _told(still, kind, saved)


def _animation(image: Image.Image, frames: int) -> tuple[dict[str, Any], list[bytes]]:
    """Whatever moves becomes a WebP that moves."""
    shown, durations = [], []
    for number in range(frames):
        image.seek(number)
        durations.append(min(60_000, max(20, round(image.info.get("duration", 100)))))
        shown.append(_bare(image.convert("RGBA")))
    loops = image.info.get("loop", 0)
    out = BytesIO()
    shown[0].save(
        out, "WEBP", save_all=True, append_images=shown[1:], duration=durations, loop=loops, quality=75, method=0
    )
    return _told(shown[0], "WEBP", out.getvalue())


def _told(still: Image.Image, kind: str, saved: bytes) -> tuple[dict[str, Any], list[bytes]]:
    small = still.copy()
    small.thumbnail(THUMBNAIL, reducing_gap=2.0)
    told = {"mime": Image.MIME[kind], "width": still.width, "height": still.height, "blurhash": _blurhash(small)}
    return told, [saved, _saved(small, "WEBP")]


def _plain(image: Image.Image) -> Image.Image:
    """The right way up, in sRGB, with 8 bits a channel; of what else the file said nothing is left."""
    try:
        image = ImageOps.exif_transpose(image)
    except Exception:  # EXIF that cannot be read turns nothing
        image = image.copy()
    profile = image.info.get("icc_profile")
    clear = "A" in image.getbands() or "transparency" in image.info
    if image.mode.startswith("I"):
        image = image.convert("I").point(lambda value: value * (1 / 256)).convert("L")
    if image.mode in ("1", "P", "PA", "LA", "La", "RGBa") or (clear and image.mode != "RGBA"):
        image = image.convert("RGBA" if clear else "RGB")
    if profile and image.mode in ("L", "RGB", "RGBA", "CMYK"):
        image = _in_srgb(image, profile)
    return _bare(image.convert("RGBA" if clear else "RGB"))


def _in_srgb(image: Image.Image, profile: bytes) -> Image.Image:
    try:
        source = ImageCms.ImageCmsProfile(BytesIO(profile))
        mode = "RGBA" if image.mode == "RGBA" else "RGB"
        return ImageCms.profileToProfile(image, source, SRGB, outputMode=mode) or image
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):  # a profile that is none, or of other colours
        return image


def _bare(image: Image.Image) -> Image.Image:
    image.info.clear()
    return image


def _saved(image: Image.Image, kind: str) -> bytes:
    out = BytesIO()
    image.save(out, kind, **SAVED[kind])
    return out.getvalue()


def _blurhash(small: Image.Image) -> str:
    tiny = Image.new("RGB", small.size, "white")
    tiny.paste(small, mask=small if small.mode == "RGBA" else None)
    tiny.thumbnail(TINY)
    pixels = tiny.load()
    assert pixels is not None
    rows = [[pixels[x, y] for x in range(tiny.width)] for y in range(tiny.height)]
    return str(blurhash.encode(rows, components_x=4, components_y=3))


if __name__ == "__main__":
    main()
