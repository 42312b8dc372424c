"""Limits of the work for a picture, and the refusal of a file that would exceed them."""

from typing import NamedTuple

MEMORY = 768 * 1024 * 1024  # bytes of address space; measured: some pictures need more than 600 MiB
CPU_S = 10  # measured: no picture takes more than 5
MOST_PIXELS = 25_000_000  # of what is kept, all frames together
MOST_READ = 60_000_000  # of a still picture, which is scaled then
MOST_READ_OF = {"WEBP": 32_000_000}  # its decoder holds each pixel four times
MOST_FRAMES = 250
MOST_SCANS = 100  # of a JPEG: progressive ones have about ten, and each goes over all pixels
MOST_SCANNED = 12 * MOST_READ  # pixels of all scans together
MOST_PARTS = 20_000  # segments, chunks or blocks of a file: each takes a few µs, however small it is
MOST_PROFILE = 4 * 1024 * 1024  # bytes of a colour profile, decompressed; those of printers have one to three million
LONGEST_SIDE = 16_383  # the most that WebP can hold


class Refused(Exception):
    """The refusal of a file, with its code."""


class Layer(NamedTuple):
    """A frame as a GIF or an animated PNG stores it: its own file, and how it is drawn over the frames before."""

    file: bytes
    at: tuple[int, int]  # its upper left corner on the canvas
    size: tuple[int, int]
    duration_ms: float
    then: str  # "keep" | "clear" | "restore": what happens to its part of the canvas after its time
    interlaced: bool = False
    replaces: bool = False  # its transparent pixels replace those below, too


class Source(NamedTuple):
    """The content of a file without anything that its pixels do not need."""

    kind: str  # JPEG | PNG | WEBP | GIF | AVIF | HEIF
    end: int  # where the picture ends; the file may have more bytes
    file: bytes = b""  # the file to decode, where `layers` is empty
    layers: tuple[Layer, ...] = ()
    size: tuple[int, int] = (0, 0)  # of the canvas of layers
    loops: int = 1  # how often an animation runs; 0: for ever
    truncated: bool = False  # the file ends before its picture, as far as is known before decoding
    profile: bytes = b""  # ICC
    exif: bytes = b""
    xmp: bytes = b""
    scans: int = 1
    lossless: bool = False
    fine: bool = False  # a JPEG with colours at full resolution (4:4:4)
    clear: tuple[int, ...] = ()  # the sample values of the one colour of a PNG that is transparent, as they are stored


def bound_read(kind: str, width: int, height: int) -> None:
    """Raise Refused for more pixels than a still picture of this kind may have."""
    if max(width, height) > LONGEST_SIDE or width * height > MOST_READ_OF.get(kind, MOST_READ):
        raise Refused("too_many_pixels")


def bound(width: int, height: int, frames: int = 1) -> None:
    """Raise Refused for more pixels or frames than what moves may have."""
    if max(width, height) > LONGEST_SIDE or width * height > MOST_PIXELS:
        raise Refused("too_many_pixels")
    if frames > MOST_FRAMES:
        raise Refused("too_many_frames")
    if frames * width * height > MOST_PIXELS:
        raise Refused("too_many_pixels")
