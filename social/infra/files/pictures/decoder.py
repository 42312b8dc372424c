"""A program that decodes a picture from stdin to stdout; it imports only its own folder and has no secrets.

Input: the bytes of a file. Output: the length of a JSON object in four bytes, the object, then the picture and its
thumbnail, or the squares whose sides are its arguments, `sizes` long. `{"refused": code}` instead names the error:
not_a_picture, more_than_a_picture, too_many_pixels, too_many_frames, too_much_work, broken.
The output is made of pixels alone: no EXIF, no place, no comments, no profile, no bytes before or after.
"""

import copy
import json
import os
import re
import resource
import sys
import warnings
from collections.abc import Callable
from io import BytesIO
from typing import Any

from PIL import (
    AvifImagePlugin,
    ExifTags,
    GifImagePlugin,
    Image,
    JpegImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    UnidentifiedImageError,
    WebPImagePlugin,
)

if __name__ == "__main__":  # isolated (-I), Python looks for modules where it is installed and nowhere else
    sys.path.append(os.path.abspath(os.path.join(os.path.dirname(__file__), *[".."] * 4)))

from social.infra.files.pictures import gif, heif, jpeg, moving, png, webp, written
from social.infra.files.pictures.colours import Finish
from social.infra.files.pictures.limits import (
    CPU_S,
    MEMORY,
    MOST_PIXELS,
    MOST_READ,
    MOST_SCANNED,
    Refused,
    Source,
    bound,
    bound_read,
)
from social.infra.files.pictures.loading import load
from social.infra.files.pictures.scaling import fitted
from social.infra.files.pictures.threads import only_threads

# Pillow would import these when it needs them; by then files are out of reach.
EARLY = (
    *(AvifImagePlugin, GifImagePlugin, JpegImagePlugin, PngImagePlugin, WebPImagePlugin),
    *(ExifTags, TiffImagePlugin, copy),
)

KINDS: dict[bytes, Callable[[bytes], Source]] = {
    b"\xff\xd8\xff": jpeg.read,
    b"\x89PNG\r\n\x1a\n": png.read,
    b"GIF8": gif.read,
    b"RIFF": webp.read,
}
# Long enough that pixels rarely match by chance: less than one in 100,000 pictures of 10 MiB.
PAGE = re.compile(rb"<(?:script|!doctype\s+html|(?:html|\?php)[\s>]|svg\s[^<>]{0,200}xmlns)", re.IGNORECASE)
ARCHIVE_END, ARCHIVE_ENTRY = b"PK\5\6", b"PK\1\2"  # PKWARE APPNOTE 4.3.12, 4.3.16
LONGEST_ARCHIVE_END = 22 + 65_535


def main(sides: list[int]) -> None:
    """Give up all privileges of this process, then decode the file, or make squares of it with these sides."""
    data = sys.stdin.buffer.read()
    is_heif = heif.kind_of(data) == "HEIF"
    if is_heif:
        heif.learn_heif()
    _confine(threads=is_heif)
    for part in answer(data, sides):
        sys.stdout.buffer.write(part)
    sys.stdout.buffer.flush()


def answer(data: bytes, sides: list[int] | None = None) -> list[bytes]:
    """Return the parts of the output for a file."""
    try:
        header, parts = _squares(data, sides) if sides else _picture(data)
    except Refused as refusal:
        header, parts = {"refused": str(refusal)}, []
    except (MemoryError, Image.DecompressionBombError, Image.DecompressionBombWarning):
        header, parts = {"refused": "too_many_pixels"}, []
    except UnidentifiedImageError:
        header, parts = {"refused": "not_a_picture"}, []
    except Exception:  # any failure of a codec
        header, parts = {"refused": "broken"}, []
    encoded = json.dumps({**header, "sizes": [len(part) for part in parts]}).encode()
    return [len(encoded).to_bytes(4, "big"), encoded, *parts]


def _confine(*, threads: bool = False) -> None:
    """Limit memory, time, files, sockets and processes to what a picture needs, and lower the priority."""
    Image.preinit()
    os.nice(10)
    limits = {"AS": MEMORY, "CPU": CPU_S, "FSIZE": 0, "NOFILE": 0, "NPROC": 0, "CORE": 0}
    if sys.platform == "darwin":  # macOS has no such limit
        del limits["AS"]
    if threads and only_threads():
        del limits["NPROC"]
    for name, most in limits.items():
        resource.setrlimit(getattr(resource, f"RLIMIT_{name}"), (most, most))
    Image.MAX_IMAGE_PIXELS = MOST_READ
    warnings.simplefilter("ignore")
    warnings.simplefilter("error", Image.DecompressionBombWarning)


def look_ahead(data: bytes) -> Source:
    """Return the parts of a file before a pixel of it is decoded; raises Refused for endless work."""
    if kind := heif.kind_of(data):
        return heif.read(data, kind)
    for mark, read in KINDS.items():
        if data.startswith(mark):
            return read(data)
    raise Refused("not_a_picture")


def _more_than_a_picture(behind: bytes) -> bool:
    """Return whether a page, a document or an archive follows a picture; data of cameras is none of these."""
    if b"%PDF-" in behind[:1_024] or PAGE.search(behind):
        return True
    at = behind.rfind(ARCHIVE_END, -LONGEST_ARCHIVE_END)
    directory = at - int.from_bytes(behind[at + 12 : at + 16], "little")  # its entries end where this record begins
    return at >= 0 and directory >= 0 and behind.startswith(ARCHIVE_ENTRY, directory)


def _picture(data: bytes) -> tuple[dict[str, Any], list[bytes]]:
    source = look_ahead(data)
    behind = data[source.end :]
    del data  # the largest files need the memory
    frames = _frames(source)
    if _more_than_a_picture(behind):
        raise Refused("more_than_a_picture")
    frames = _finished(source, frames)
    first = frames[0].image
    truncated = source.truncated or any(frame.cut_off for frame in frames) or len(frames) < len(source.layers)
    if len(frames) > 1:
        kind, saved = "WEBP", written.animation(frames, source.loops, lossless=source.lossless)
    else:
        kind = _kept_as(source.kind, first)
        kind, saved = written.still(first, kind, lossless=source.lossless, fine=source.fine)
    small, blurhash = written.thumbnail(first)
    header = {"mime": Image.MIME[kind], "width": first.width, "height": first.height, "blurhash": blurhash}
    return {**header, "truncated": truncated}, [saved, small]


def _squares(data: bytes, sides: list[int]) -> tuple[dict[str, Any], list[bytes]]:
    """Return the squares that a picture is shown as where it is an avatar."""
    source = look_ahead(data)
    first, *_ = _finished(source, _frames(source)[:1])
    return {}, written.squares(first.image, sides)


def _finished(source: Source, frames: list[moving.Frame]) -> list[moving.Frame]:
    """Return frames as they are kept: upright, in sRGB, and a still picture no larger than allowed."""
    finish = Finish(source.profile, source.exif, source.xmp)
    still = len(frames) == 1
    for at, frame in enumerate(frames):  # in place: the largest need the memory of what they were made of
        frames[at] = frame._replace(image=finish(fitted(frame.image) if still else frame.image))
    return frames


def _kept_as(kind: str, image: Image.Image) -> str:
    """Return the format in which a still picture of this kind is kept: one that every client shows."""
    if kind in ("AVIF", "HEIF"):
        return "WEBP" if "A" in image.getbands() else "JPEG"
    return "PNG" if kind == "GIF" else kind


def _frames(source: Source) -> list[moving.Frame]:
    """Return the frames of a file; raises Refused, or the error of Pillow for a broken file."""
    if source.layers:
        bound(*source.size, len(source.layers))
        if sum(layer.size[0] * layer.size[1] for layer in source.layers) > MOST_PIXELS:  # beyond the canvas too
            raise Refused("too_many_pixels")
        return [frame._replace(image=_opaque(frame.image)) for frame in moving.of_layers(source)]
    if source.kind in ("WEBP", "AVIF", "HEIF"):
        return list(moving.of_file(source.file, source.kind))
    if source.kind == "PNG":
        image, missing = png.pixels(source.file, source.clear)
    else:
        image, missing = _jpeg(source)
    return [moving.Frame(image, 0, missing)]


def _jpeg(source: Source) -> tuple[Image.Image, bool]:
    with Image.open(BytesIO(source.file), formats=("JPEG",)) as image:
        bound_read("JPEG", *image.size)
        if source.scans * image.width * image.height > MOST_SCANNED:
            raise Refused("too_much_work")
    return load(source.file, "JPEG")


def _opaque(image: Image.Image) -> Image.Image:
    """Return a frame without its alpha channel where all of it is opaque."""
    return image.convert("RGB") if image.getchannel("A").getextrema() == (255, 255) else image


if __name__ == "__main__":
    main([int(each) for each in sys.argv[1:]])
