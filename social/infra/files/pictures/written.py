"""Encoding of pixels: the stored picture, its thumbnail, and the placeholder that is shown until it has loaded."""

from collections.abc import Sequence
from io import BytesIO
from typing import Any

import blurhash
from PIL import Image

from social.infra.files.pictures.moving import Frame, rounded

MOST_BYTES = 12 * 1024 * 1024  # of a picture that is encoded without loss, or with little
MOST_COLOURS = 256  # of a drawing; photographs have more
MOST_LOOPS = 65_535
NO_MEMORY = "encoding error 1"  # VP8_ENC_ERROR_OUT_OF_MEMORY
WEBP_ALPHA = 0x10  # flag in VP8X: part of the picture is transparent
THUMBNAIL = (400, 400)
TINY = (32, 32)  # the size that a blurhash is computed from: it shows no more detail

SAVED: dict[str, dict[str, Any]] = {
    "JPEG": {"quality": 85, "progressive": True},
    "PNG": {"compress_level": 4},
    "WEBP": {"quality": 82, "method": 2},
}
LOSSLESS: dict[str, Any] = {"lossless": True, "quality": 20, "method": 0}  # quality means effort here
LOSSY_ANIMATION: dict[str, Any] = {"quality": 75, "method": 0}


def still(image: Image.Image, kind: str, *, lossless: bool, fine: bool) -> tuple[str, bytes]:
    """Return a file of a picture in its own format; a lossless one that is too large becomes a lossy WebP.

    `fine` is a JPEG with colours at full resolution: they stay so, because it may be drawn or written.
    """
    tries = []
    if lossless and kind == "PNG":
        tries.append((kind, SAVED[kind]))
    if lossless and (kind == "WEBP" or _flat(image)):
        tries.append(("WEBP", LOSSLESS))
    if fine:
        tries.append((kind, {**SAVED[kind], "subsampling": "4:4:4"}))
    for each, options in tries:
        try:
            saved = _saved(image, each, options)
        except MemoryError:  # lossy encoding needs less
            continue
        if len(saved) <= MOST_BYTES:
            return each, saved
    kind = "WEBP" if lossless else kind
    return kind, _saved(image, kind, SAVED[kind])


def animation(frames: list[Frame], loops: int, *, lossless: bool) -> bytes:
    """Return a WebP of these frames; drawings in few colours stay lossless, because lossy encoding blurs edges."""
    first, *others = (frame.image for frame in frames)
    lossless = lossless and all(_flat(frame.image) for frame in frames)
    saved = _saved(
        first,
        "WEBP",
        {
            **(LOSSLESS if lossless else LOSSY_ANIMATION),
            "save_all": True,
            "append_images": others,
            "duration": rounded([frame.duration_ms for frame in frames]),
            "loop": min(loops, MOST_LOOPS),
        },
    )
    if saved[12:16] == b"VP8X" and any(frame.image.mode == "RGBA" for frame in frames):
        # The encoder looks for alpha in the rectangle of each frame alone, and makes clear pixels around it black.
        saved = saved[:20] + bytes((saved[20] | WEBP_ALPHA,)) + saved[21:]
    return saved


def thumbnail(image: Image.Image) -> tuple[bytes, str]:
    """Return a small WebP, lossless where that is no larger, and the blurhash."""
    small = image.copy()
    small.thumbnail(THUMBNAIL, reducing_gap=2.0)
    return _smallest(small), _blurhash(small)


def squares(image: Image.Image, sides: Sequence[int]) -> list[bytes]:
    """Return the middle of a picture as a square WebP for each side, none of them enlarged."""
    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    middle = image.crop((left, top, left + side, top + side))
    made = []
    for each in sides:
        small = middle.copy()
        small.thumbnail((each, each), reducing_gap=2.0)
        made.append(_smallest(small))
    return made


def _smallest(small: Image.Image) -> bytes:
    """Return a WebP, lossless where that is no larger."""
    return min(_saved(small, "WEBP", LOSSLESS), _saved(small, "WEBP", SAVED["WEBP"]), key=len)


def _flat(image: Image.Image) -> bool:
    return image.getcolors(MOST_COLOURS) is not None


def _saved(image: Image.Image, kind: str, options: dict[str, Any]) -> bytes:
    out = BytesIO()
    try:
        image.save(out, kind, **options)
    except ValueError as error:
        if str(error) == NO_MEMORY:
            raise MemoryError from error
        raise
    return out.getvalue()


def _blurhash(small: Image.Image) -> str:
    tiny = Image.new("RGB", small.size, "white")
    tiny.paste(small, mask=small if small.mode == "RGBA" else None)
    tiny.thumbnail(TINY)
    pixels = tiny.load()
    assert pixels is not None
    rows = [[pixels[x, y] for x in range(tiny.width)] for y in range(tiny.height)]
    return str(blurhash.encode(rows, components_x=4, components_y=3))
