"""What reading one picture may cost, and the refusal of a file that would cost more."""

from typing import NamedTuple

MEMORY = 768 * 1024 * 1024  # bytes of address space; measured: no 25 megapixels need 640 MiB, some more than 512
CPU_S = 10  # measured: no 25 megapixels take more than 5
MOST_PIXELS = 25_000_000  # of all frames together
MOST_FRAMES = 250
MOST_SCANS = 100  # of a JPEG: progressive ones have about ten, and each is a walk over all pixels
MOST_SCANNED = 20 * MOST_PIXELS  # pixels of all scans together
MOST_PARTS = 20_000  # segments, chunks or blocks of a file: each takes a few µs, however small it is
MOST_PROFILE = 4 * 1024 * 1024  # bytes of a colour profile, unpacked; those of printers have one to three million
LONGEST_SIDE = 16_383  # what WebP can hold


class Refused(Exception):
    """This file is not for us; says why in one word."""


class Layer(NamedTuple):
    """One frame as a GIF or an animated PNG keeps it: a file of its own, and how it is laid over what was there."""

    file: bytes
    at: tuple[int, int]  # its upper left corner on the canvas
    size: tuple[int, int]
    duration_ms: float
    then: str  # "keep" | "clear" | "restore": what becomes of its part of the canvas when its time is over
    interlaced: bool = False
    replaces: bool = False  # clear pixels of it too, instead of showing what was there


class Source(NamedTuple):
    """What a file holds, without anything that its pixels do not need."""

    kind: str  # JPEG | PNG | WEBP | GIF
    end: int  # where the picture ends: what follows in the file is none of it
    file: bytes = b""  # to be decoded, where `layers` is empty
    layers: tuple[Layer, ...] = ()
    size: tuple[int, int] = (0, 0)  # of the canvas of layers
    loops: int = 1  # how often an animation is shown; 0: for ever
    truncated: bool = False  # the file ended before its picture did, as far as one can tell before it is decoded
    profile: bytes = b""  # ICC
    exif: bytes = b""
    xmp: bytes = b""
    scans: int = 1
    lossless: bool = False
    fine: bool = False  # a JPEG whose colours are as fine as its brightness (4:4:4)
    clear: tuple[int, ...] = ()  # the sample values of the one colour of a PNG that is transparent, as they are stored


def bound(width: int, height: int, frames: int = 1) -> None:
    """Raise Refused for more pixels or frames than a picture may have."""
    if max(width, height) > LONGEST_SIDE or width * height > MOST_PIXELS:
        raise Refused("too_many_pixels")
    if frames > MOST_FRAMES:
        raise Refused("too_many_frames")
    if frames * width * height > MOST_PIXELS:
        raise Refused("too_many_pixels")
