"""The parts of a PNG that its pixels need, and the frames of an animated one (PNG, third edition, with APNG)."""

import struct
import zlib
from collections.abc import Iterator
from functools import reduce
from typing import NamedTuple

from PIL import Image, ImageChops

from social.infra.files.pictures.limits import MOST_PARTS, MOST_PROFILE, Layer, Refused, Source, bound
from social.infra.files.pictures.loading import load

SIGNATURE = b"\x89PNG\r\n\x1a\n"
GREY, RGB, PALETTE, GREY_ALPHA = 0, 2, 3, 4  # colour types
CLEAR = {GREY: 2, RGB: 6}  # bytes of the transparent colour
XMP = b"XML:com.adobe.xmp"
THEN = ("keep", "clear", "restore")


class Chunk(NamedTuple):
    """A chunk of a PNG."""

    name: bytes
    content: bytes
    whole: bytes  # with its length and checksum
    sound: bool


class Control(NamedTuple):
    """The frame control chunk (fcTL)."""

    number: int
    width: int
    height: int
    x: int
    y: int
    delay: int
    per: int
    then: int
    over: int


class BadAnimation(Exception):
    """The frames of a PNG contradict each other: its still picture is used."""


class _Reading:
    """The chunks read so far."""

    def __init__(self) -> None:
        self.header, self.palette, self.pixels = b"", b"", list[bytes]()
        self.transparency = self.exif = self.xmp = b""
        self.profile: bytes | None = None  # the first of several: each may be large when decompressed
        self.plays: int | None = None
        self.count = self.number = 0
        self.frames: list[tuple[Control, list[bytes]]] = []
        self.bad_animation = False

    @property
    def colour(self) -> int:
        return self.header[17] if len(self.header) > 17 else -1

    def take(self, chunk: Chunk) -> None:
        """Keep a chunk that is needed; a broken chunk that is not needed is ignored."""
        name, content = chunk.name, chunk.content
        if name == b"IHDR" and not self.header:
            self.header = chunk.whole
        elif name == b"PLTE" and not self.palette:
            self.palette = chunk.whole
        elif name == b"IDAT":
            self.pixels.append(content)
        elif name in (b"fcTL", b"fdAT"):
            try:
                self._animate(name, content)
            except (BadAnimation, struct.error):
                self.bad_animation = True
        elif not chunk.sound:
            return
        elif name == b"tRNS":
            self.transparency = content
        elif name == b"acTL" and len(content) >= 8 and not self.pixels:
            self.count, self.plays = struct.unpack(">II", content[:8])
        elif name == b"iCCP":
            self.profile = _profile(content) if self.profile is None else self.profile
        elif name == b"eXIf":
            self.exif = content
        elif name == b"iTXt" and content.startswith(XMP + b"\0\0"):  # programs do not write it compressed
            self.xmp = content

    def _animate(self, name: bytes, content: bytes) -> None:
        if int.from_bytes(content[:4], "big") != self.number:
            raise BadAnimation
        self.number += 1
        if name == b"fcTL":
            control = Control(*struct.unpack(">IIIIIHHBB", content[:26]))
            width, height = struct.unpack(">II", self.header[8:16])
            fits = control.x + control.width <= width and control.y + control.height <= height
            second = self.frames and not self.pixels  # before the first has any pixel
            if second or not (control.width and control.height and fits and control.then < 3 and control.over < 2):
                raise BadAnimation
            self.frames.append((control, [] if self.pixels else self.pixels))
        elif self.frames and self.frames[-1][1] is not self.pixels:
            self.frames[-1][1].append(content[4:])
        else:
            raise BadAnimation


def read(data: bytes) -> Source:
    """Return a PNG of the chunks that its pixels need; raises Refused for more chunks than any program writes."""
    found, end, ended = _Reading(), len(SIGNATURE), False
    for chunk in _chunks(data):
        end = min(len(data), end + len(chunk.whole))
        ended = chunk.name == b"IEND"
        found.take(chunk)
    if not ended:
        end = len(data)
    clear, transparency = _transparency(found)
    shared = found.palette + transparency
    source = Source(
        kind="PNG",
        end=end,
        file=_file(found.header, shared, found.pixels),
        profile=found.profile or b"",
        exif=found.exif,
        xmp=found.xmp,
        lossless=True,
        clear=clear,
    )
    if not ended and not _begun(found.pixels):
        raise Refused("broken" if found.pixels else "not_a_picture")
    frames = [frame for frame in found.frames[: found.count] if frame[1]]
    if found.plays is None or found.bad_animation or not frames:
        return source
    width, height = struct.unpack(">II", found.header[8:16])
    bound(width, height, len(frames))
    layers = tuple(_layer(control, parts, found.header, shared) for control, parts in frames)
    return source._replace(layers=layers, size=(width, height), loops=found.plays, truncated=not ended)


def pixels(file: bytes, clear: tuple[int, ...] = ()) -> tuple[Image.Image, bool]:
    """Return the pixels of a PNG, of 8 bits a channel, and whether some are missing.

    The transparent colour is compared with the stored samples, before 16 bits become 8, or 2 become 8.
    """
    depth, colour = file[24], file[25]
    image, missing = load(file, "PNG")
    if missing and file[28]:
        raise Refused("broken")  # interlaced: its pixels are scattered over the picture
    if image.mode == "P":
        return image.convert("RGBA" if "transparency" in image.info else "RGB"), missing
    if colour == GREY_ALPHA:
        return image.convert("LA"), missing
    masks = []
    if clear and colour == GREY and image.mode != "I;16":
        masks = [_equal(image.convert("L"), clear[0] * 255 // (2**depth - 1))]
    elif clear and colour == GREY:
        masks = [image.convert("I").point([255 * (value == clear[0]) for value in range(65_536)], "L")]
    elif clear and depth == 8:
        masks = [_equal(*each) for each in zip(image.split(), clear, strict=True)]
    elif clear:
        low, _ = load(file, "PNG", raw="RGB;16L")  # the second byte of each sample; the first is shown
        masks = [_equal(each, value >> 8) for each, value in zip(image.split(), clear, strict=True)]
        masks += [_equal(each, value & 255) for each, value in zip(low.split(), clear, strict=True)]
    if image.mode == "I;16":
        image = image.convert("I").point([value >> 8 for value in range(65_536)], "L")
    elif image.mode == "1":
        image = image.convert("L")
    if masks:
        image.putalpha(ImageChops.invert(reduce(ImageChops.darker, masks)))
    return image, missing


def _equal(channel: Image.Image, wanted: int) -> Image.Image:
    return channel.point([255 * (value == wanted) for value in range(256)])


def _chunks(data: bytes) -> Iterator[Chunk]:
    """Yield the chunks of a PNG, to its end or to where it cannot be read further."""
    at = len(SIGNATURE)
    for _ in range(MOST_PARTS):
        end = at + 12 + int.from_bytes(data[at : at + 4], "big")
        whole, name = data[at:end], data[at + 4 : at + 8]
        if len(name) < 4 or not name.isalpha():
            return
        content = whole[8 : end - at - 4]
        sound = len(data) >= end and zlib.crc32(content, zlib.crc32(name)) == int.from_bytes(whole[-4:], "big")
        yield Chunk(name, content, whole, sound)
        if name == b"IEND":
            return
        at = end
    raise Refused("too_much_work")


def _chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(content, zlib.crc32(name)))


def _file(header: bytes, shared: bytes, parts: list[bytes]) -> bytes:
    """Return a PNG file of a picture."""
    return b"".join((SIGNATURE, header, shared, _chunk(b"IDAT", b"".join(parts)), _chunk(b"IEND", b"")))


def _layer(control: Control, parts: list[bytes], header: bytes, shared: bytes) -> Layer:
    own = _chunk(b"IHDR", struct.pack(">II", control.width, control.height) + header[16:21])
    return Layer(
        file=_file(own, shared, parts),
        at=(control.x, control.y),
        size=(control.width, control.height),
        duration_ms=1_000 * control.delay / (control.per or 100),
        then=THEN[control.then],
        replaces=control.over == 0,
    )


def _transparency(found: _Reading) -> tuple[tuple[int, ...], bytes]:
    """Return the transparent colour, or the chunk for a palette; neither where it is invalid."""
    content = found.transparency
    if found.colour == PALETTE and 0 < len(content) <= (len(found.palette) - 12) // 3:
        return (), _chunk(b"tRNS", content)
    if found.colour in CLEAR and len(content) == CLEAR[found.colour]:
        most = 2 ** found.header[16] - 1  # of each value only as many bits count as a sample has
        return tuple(value & most for value in struct.unpack(f">{len(content) // 2}H", content)), b""
    return (), b""


def _profile(content: bytes) -> bytes:
    """Return the colour profile of a PNG decompressed, or nothing where it is damaged."""
    _, _, packed = content.partition(b"\0")
    if packed[:1] != b"\0":
        return b""
    unpacking = zlib.decompressobj()
    try:
        profile = unpacking.decompress(packed[1:], MOST_PROFILE)
    except zlib.error:
        return b""
    return b"" if unpacking.unconsumed_tail else profile


def _begun(parts: list[bytes]) -> bool:
    """Return whether a picture that was cut off shows any pixel."""
    try:
        return len(zlib.decompressobj().decompress(b"".join(parts), 2)) == 2
    except zlib.error:
        return False
