"""Files of phones, cameras and programs are shown as intended; damage beside the pixels does not matter."""

import struct
import subprocess
import sys
import warnings
import zlib
from io import BytesIO
from itertools import product
from pathlib import Path
from random import Random
from unittest.mock import patch

import pytest
from PIL import Image, ImageChops, ImageCms
from support.people import Door, Person
from support.pictures import (
    apng,
    chunk,
    chunks,
    exif,
    gif,
    ihdr,
    moving_gif,
    netscape,
    noise,
    opened,
    picture,
    saved,
    segment,
    swapped,
    upload,
    uploaded,
    webp,
)

from social.contracts.media import MediaRef
from social.contracts.posts import Post
from social.contracts.problems import ValidationFailed
from social.infra.files.pictures import decoder, decoding, limits, scaling
from social.infra.files.pictures.decoding import Decoders, Picture

HEIC = Path(__file__).parents[1] / "support/turned.heic"

PLIST = b'<?xml version="1.0"?><!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN"><plist version="1.0"/>'
PHOTOSHOP = b"Photoshop 3.0\x008BIM\4\x24\0\0" + struct.pack(">I", len(PLIST)) + PLIST
PAGE = b"<!DOCTYPE html><html ><script>alert(1)</script><?php system(1); ?><svg xmlns='x'> %PDF-1.7"
RED, GREEN, BLUE, WHITE, BLACK = (255, 0, 0), (0, 128, 0), (0, 0, 255), (255, 255, 255), (0, 0, 0)


async def read(file: bytes) -> Picture:
    """Decode a file as a decoder does, but in this process."""
    with warnings.catch_warnings(), patch.object(Image, "MAX_IMAGE_PIXELS", limits.MOST_READ):
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        return decoding._read(bytearray(b"".join(decoder.answer(file))))


async def read_apart(file: bytes) -> Picture:
    """Decode a file in a process of its own, with bounds on its memory and time."""
    return await Decoders().decode(file)


async def still(file: bytes, mode: str = "RGBA") -> Image.Image:
    return opened((await read(file)).content).convert(mode)


async def frames(file: bytes) -> tuple[list[Image.Image], list[int], int]:
    """Return the pixels and milliseconds of each frame, and the number of repetitions."""
    made = await read(file)
    assert made.mime == "image/webp"
    image = opened(made.content)
    images, durations = [], []
    for number in range(image.n_frames):  # type: ignore[attr-defined]
        image.seek(number)
        image.load()
        durations.append(image.info["duration"])
        images.append(image.convert("RGBA"))
    return images, durations, image.info["loop"]


async def refusal(file: bytes) -> str:
    with pytest.raises(ValidationFailed) as refused:
        await read(file)
    assert refused.value.errors
    return refused.value.errors[0].code


def beside(part: bytes) -> bytes:
    """Return a JPEG with an additional segment."""
    return picture("JPEG")[:2] + part + picture("JPEG")[2:]


IRRELEVANT = {
    "a list of properties, as Photoshop writes it": beside(segment(0xED, PHOTOSHOP)),
    "a page in a JPEG's comment": picture("JPEG", comment=PAGE),
    "a page in a GIF's comment": saved(Image.new("RGB", (80, 60), "teal"), "GIF", comment=PAGE),
    "a page in a WebP's description": picture("WEBP", xmp=PAGE, lossless=True),
    "a page in a PNG's text": chunks(ihdr(80, 60, 8, 2), (b"tEXt", b"Comment\0" + PAGE), picture()[33:]),
    "a segment of Photoshop that ends too early": beside(segment(0xED, b"Photoshop 3.0\x008BIM\4\4")),
    "a header of JFIF without a version": beside(segment(0xE0, b"JFIF")),
    "Adobe's segment without a content": beside(segment(0xEE, b"Adobe")),
    "a profile without a number": beside(segment(0xE2, b"ICC_PROFILE\0")),
    "half a profile": beside(segment(0xE2, b"ICC_PROFILE\0\1\2acsp")),
    "EXIF that leads nowhere": beside(segment(0xE1, b"Exif\0\0II*\0\xff\xff\xff\xff")),
    "EXIF that is none": picture("JPEG", exif=b"Exif\0\0nonsense"),
    "a second picture that is none": beside(segment(0xE2, b"MPF\0MM\0*\0\0\0\x08\xff\xff")),
    "two lenses": picture("MPO", save_all=True, append_images=[Image.new("RGB", (80, 60))]),
    "a thumbnail that is a JPEG": beside(segment(0xE1, b"Exif\0\0" + exif(1) + picture("JPEG"))),
    "zeros behind a PNG": picture() + bytes(500_000),
    "zeros behind a JPEG": picture("JPEG") + bytes(500_000),
    "zeros behind a WebP": picture("WEBP", lossless=True) + bytes(500_000),
    "zeros behind a GIF": picture("GIF") + bytes(500_000),
    "a JPEG without an end": picture("JPEG")[:-2],
    "a PNG without an end": picture()[:-12],
    "a GIF without an end": picture("GIF")[:-1],
    "an EXIF of WebP that is cut off": picture("WEBP", exif=b"Exif\0\0" + exif(1) + bytes(400), lossless=True)[:-100],
}  # fmt: skip

BESIDE = {
    "text with a wrong checksum": chunk(b"tEXt", b"a\0b")[:-1] + b"?",
    "text that is packed a hundred thousand to one": chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(5_000_000))),
    "international text that is": chunk(b"iTXt", b"a\0\1\0\0\0" + zlib.compress(bytes(5_000_000))),
    "text packed in no way that is known": chunk(b"zTXt", b"a\0\7nonsense"),
    "a gamma without a value": chunk(b"gAMA", b"\0"),
    "colours that are none": chunk(b"cHRM", b"abc"),
    "an intent without a value": chunk(b"sRGB"),
    "a size in inches without one": chunk(b"pHYs", b"\0"),
    "a profile that does not unpack": chunk(b"iCCP", b"a\0\0nonsense"),
    "a profile that unpacks without end": chunk(b"iCCP", b"a\0\0" + zlib.compress(bytes(20_000_000))),
    "a profile without a name": chunk(b"iCCP", b"x"),
    "a transparent colour that is too short": chunk(b"tRNS", b"\0"),
    "EXIF that is none": chunk(b"eXIf", b"nonsense"),
    "an animation without a length": chunk(b"acTL", b"\0"),
    "an animation of no frames": chunk(b"acTL", bytes(8)),
    "a frame that is too large": chunk(b"acTL", struct.pack(">II", 2, 0))
    + chunk(b"fcTL", struct.pack(">IIIIIHHBB", 0, 90, 90, 0, 0, 1, 1, 0, 0)),
    "a frame out of order": chunk(b"acTL", struct.pack(">II", 2, 0))
    + chunk(b"fcTL", struct.pack(">IIIIIHHBB", 7, 80, 60, 0, 0, 1, 1, 0, 0)),
    "a part nobody knows": chunk(b"mkBF", PAGE),
}
IRRELEVANT |= {name: picture()[:33] + part + picture()[33:] for name, part in BESIDE.items()}
IRRELEVANT |= {f"{name}, at the end": picture()[:-12] + part + picture()[-12:] for name, part in BESIDE.items()}


@pytest.mark.parametrize("name", IRRELEVANT)
async def test_what_is_beside_the_pixels_is_no_reason_to_refuse_them(name: str) -> None:
    made = await read(IRRELEVANT[name])
    assert (made.width, made.height, made.truncated) == (80, 60, False)
    for content in (made.content, made.thumbnail):
        assert opened(content).convert("RGB").getpixel((40, 30)) == pytest.approx((0, 128, 128), abs=3)
        assert not any(left in content for left in (b"<script", b"%PDF", b"Exif\0", b"plist", b"<x:"))


def counted(file: bytes, more: int, inside: bytes = b"") -> bytes:
    """A WebP that counts its bytes wrong."""
    size = struct.unpack("<I", file[4:8])[0] + more
    return file[:4] + struct.pack("<I", size) + file[8:12] + inside + file[12:]


@pytest.mark.parametrize("more", [-9, -1, 0, 1, 2, 50])
async def test_a_webp_may_count_its_bytes_a_little_wrong(more: int) -> None:
    for file in (webp("teal"), webp("teal", "red", duration=90), picture("WEBP")):
        made = await read(counted(file, more))
        assert opened(made.content).convert("RGB").getpixel((9, 9)) == pytest.approx((0, 128, 128), abs=3)
    file = saved(Image.new("RGBA", (40, 30), (0, 128, 128, 90)), "WEBP", lossless=True)
    at = file.index(b"VP8L")
    made = await read(counted(file[:at] + b"ABCD\3\0\0\0abc\0" + file[at:], 0))
    assert (opened(made.content).getpixel((9, 9)), made.truncated) == ((0, 128, 128, 90), False)


@pytest.mark.parametrize("depth", [8, 16])
async def test_an_interlaced_png_is_read_with_its_clear_colour(depth: int) -> None:
    image = Image.new("RGB", (21, 13), "white")
    image.paste("red", (3, 2, 11, 9))
    steps = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
    rows = b"".join(
        b"\0"
        + b"".join(
            value.to_bytes(1, "big") * (depth // 8) for x in range(left, 21, right) for value in pixel(image, x, y)
        )
        for left, top, right, down in steps
        for y in range(top, 13, down)
    )
    header = (b"IHDR", struct.pack(">IIBBBBB", 21, 13, depth, 2, 0, 0, 1))
    clear = (b"tRNS", struct.pack(">HHH", 2**depth - 1, 0, 0))
    seen = await still(chunks(header, clear, (b"IDAT", zlib.compress(rows)), (b"IEND", b"")))
    assert {seen.getpixel((x, y)) for x in range(3, 11) for y in range(2, 9)} == {(*RED, 0)}
    assert seen.getpixel((12, 9)) == (*WHITE, 255)
    assert await refusal(chunks(header, (b"IDAT", zlib.compress(rows)[:-9]))) == "broken"


def pixel(image: Image.Image, x: int, y: int) -> tuple[int, ...]:
    found = image.getpixel((x, y))
    assert isinstance(found, tuple)
    return found


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF"])
async def test_the_smallest_and_the_longest_pictures_are_taken(kind: str) -> None:
    for size, small in (((1, 1), (1, 1)), ((16_383, 1), (400, 1)), ((1, 16_383), (1, 400))):
        made = await read_apart(picture(kind, size))
        assert ((made.width, made.height), opened(made.thumbnail).size) == (size, small)


async def test_two_headers_of_a_png_or_a_jpeg_are_no_way_around_its_bounds() -> None:
    jpeg = noise((80, 60), "JPEG")
    scan, frame = jpeg.index(b"\xff\xda"), jpeg.index(b"\xff\xc0")
    huge = jpeg[frame : frame + 19].replace(b"\0\x3c\0\x50", b"\x3f\0\x3f\0")
    assert await refusal(jpeg[:scan] + huge + jpeg[scan:]) == "too_many_pixels"
    made = await read_apart(picture()[:33] + chunk(*ihdr(16_000, 16_000, 8, 2)) + picture()[33:])
    assert (made.width, made.height) == (80, 60)


async def test_each_frame_is_shown_as_long_as_its_file_says() -> None:
    durations = [100, 350, 40, 2_000]
    colours = ["red", "green", "blue", "white"]
    assert (await frames(webp(*colours, duration=durations)))[1] == durations
    images = [Image.new("RGB", (40, 30), colour) for colour in colours]
    for kind in ("GIF", "PNG"):
        file = saved(images[0], kind, save_all=True, append_images=images[1:], duration=durations)
        assert (await frames(file))[1] == durations


async def test_what_says_ten_milliseconds_or_less_is_shown_for_a_hundred_as_browsers_do() -> None:
    shown = [(number % 2, (0, 0, 8, 0), ms) for number, ms in enumerate((0, 10, 20, 30, -1, 90))]  # -1: says nothing
    assert (await frames(moving_gif(*shown, size=(8, 8))))[1] == [100, 100, 20, 30, 100, 90]
    assert (await frames(webp("red", "green", "blue", duration=[10, 11, 0])))[1] == [100, 11, 100]
    many = [(("red", "green")[number % 2], (0, 0, 40, 30), (1, 60)) for number in range(60)]
    _, durations, _ = await frames(apng(*many))
    assert (set(durations), sum(durations)) == ({16, 17}, 1_000)
    a_while = apng(("red", (0, 0, 40, 30), (5, 0)), ("green", (0, 0, 40, 30), (65_535, 1)))
    assert (await frames(a_while))[1] == [50, 655_350]


TWICE = ((0, (0, 0, 8, 0), 50), (1, (0, 0, 8, 0), 50))


@pytest.mark.parametrize(
    ("said", "times"),
    [
        (b"", 1),
        (netscape(0), 0),
        (netscape(1), 2),
        (netscape(3), 4),
        (netscape(65_535), 65_535),
        (netscape(5, b"ANIMEXTS1.0"), 6),
        (b"!\xff\x0bNETSCAPE2.0\0", 1),
        (b"!\xff\x0bXMP DataXMP\3\1\7\0\0", 1),
    ],
)
async def test_a_gif_is_shown_once_and_so_often_again_as_it_says(said: bytes, times: int) -> None:
    assert (await frames(moving_gif(*TWICE, size=(8, 8), loops=said)))[2] == times
    if said:
        file = moving_gif(TWICE[0], size=(8, 8), tail=said + moving_gif(TWICE[1], size=(8, 8))[19:])
        assert (await frames(file))[2] == times  # it may say so between its frames


async def test_an_animated_png_or_webp_says_how_often_it_is_shown() -> None:
    for times, shown in ((0, 0), (1, 1), (3, 3), (70_000, 65_535)):
        moves = apng(("red", (0, 0, 40, 30), (1, 9)), ("green", (0, 0, 40, 30), (1, 9)), plays=times)
        assert (await frames(moves))[2] == shown
        if times < 65_536:
            assert (await frames(webp("red", "blue", duration=90, loop=times)))[2] == times


async def test_the_still_picture_of_an_animated_png_is_no_frame_of_it() -> None:
    file = apng(("red", (0, 0, 40, 30), (1, 10)), ("blue", (0, 0, 40, 30), (2, 10)), default="green")
    images, durations, _ = await frames(file)
    assert [image.getpixel((5, 5)) for image in images] == [(*RED, 255), (*BLUE, 255)]
    assert durations == [100, 200]
    small = apng(("red", (10, 10, 5, 5), (1, 10)), ("blue", (20, 10, 5, 5), (1, 10)), default="green", over=1)
    images, _, _ = await frames(small)
    assert [image.getpixel((2, 2))[3] for image in images] == [0, 0]  # type: ignore[index]
    assert [image.getpixel((12, 12)) for image in images] == [(*RED, 255)] * 2
    only = await still(apng(("red", (0, 0, 40, 30), (1, 10)), default="green"))
    assert only.getpixel((5, 5)) == (*RED, 255)


@pytest.mark.parametrize(("then", "left"), [(0, (*RED, 255)), (1, (0, 0, 0, 0)), (2, (0, 0, 0, 0))])
async def test_a_frame_of_a_png_stays_or_goes(then: int, left: tuple[int, ...]) -> None:
    whole, part = (0, 0, 40, 30), (20, 10, 9, 9)
    images, _, _ = await frames(apng(("red", whole, (1, 9)), ("blue", part, (1, 9)), then=then))
    assert images[1].getpixel((25, 15)) == (*BLUE, 255)
    assert images[1].getpixel((2, 2)) == left


async def test_what_no_frame_of_a_gif_covers_is_clear() -> None:
    images, _, _ = await frames(
        moving_gif((1, (2, 2, 4, 2), 50), (0, (9, 9, 4, 3), 50), (1, (0, 0, 4, 0), 50), size=(16, 16))
    )
    seen = [[image.getpixel(at) for at in ((0, 0), (3, 3), (10, 10), (14, 14))] for image in images]
    clear, white, black = (0, 0, 0, 0), (*WHITE, 255), (*BLACK, 255)
    assert seen == [[clear, white, clear, clear], [clear, clear, black, clear], [white, white, clear, clear]]
    small = await still(moving_gif((1, (2, 2, 4, 0), -1), size=(16, 16)))
    assert (small.size, small.getpixel((0, 0)), small.getpixel((3, 3))) == ((16, 16), clear, white)


async def test_a_gif_is_as_large_as_its_first_frame_and_no_later_one() -> None:
    made = await read(moving_gif((1, (0, 0, 8, 0), 50), (0, (4, 4, 30, 0), 50), (1, (90, 90, 4, 0), 50), size=(0, 0)))
    assert (made.width, made.height) == (8, 8)


@pytest.mark.parametrize("kind", ["WEBP", "PNG"])
async def test_what_moves_is_upright_and_in_srgb_too(kind: str) -> None:
    images = [Image.new("RGB", (40, 30), "red"), Image.new("RGB", (40, 30), "lime")]
    for image in images:
        image.paste("white", (0, 0, 10, 10))
    options = {"save_all": True, "append_images": images[1:], "duration": 90}
    if kind == "WEBP":
        options["lossless"] = True
    file = saved(images[0], kind, **options, exif=b"Exif\0\0" + exif(6), icc_profile=swapped())
    seen, _, _ = await frames(file)
    assert [image.size for image in seen] == [(30, 40)] * 2
    assert [image.getpixel((25, 5)) for image in seen] == [(*WHITE, 255)] * 2
    assert seen[0].getpixel((5, 35)) == pytest.approx((*BLUE, 255), abs=3)
    assert seen[1].getpixel((5, 35)) == pytest.approx((0, 255, 0, 255), abs=3)
    assert opened((await read(file)).thumbnail).size == (30, 40)


def drawn() -> list[Image.Image]:
    """Thin lines of pure colours, as no photograph has them."""
    images = []
    for shift in range(3):
        image = Image.new("RGB", (90, 60), "white")
        for x in range(0, 90, 3):
            image.paste(("red", "blue", "black")[(x // 3 + shift) % 3], (x, 0, x + 1, 60))
        images.append(image)
    return images


async def test_what_was_drawn_in_few_colours_does_not_blur() -> None:
    first, *others = drawn()
    options = {"save_all": True, "append_images": others, "duration": 90}
    for file in (
        saved(first, "GIF", **options),
        saved(first, **options),
        saved(first, "WEBP", lossless=True, **options),
    ):
        images, _, _ = await frames(file)
        assert [image.convert("RGB").tobytes() for image in images] == [image.tobytes() for image in drawn()]
        assert opened((await read(file)).thumbnail).convert("RGB").tobytes() == first.tobytes()
    for file in (saved(first, "GIF"), saved(first), saved(first, "WEBP", lossless=True)):
        assert (await still(file, "RGB")).tobytes() == first.tobytes()


async def test_a_jpeg_of_fine_colours_keeps_them_fine() -> None:
    fine = await still(saved(drawn()[0], "JPEG", quality=95, subsampling=0), "RGB")
    coarse = await still(saved(drawn()[0], "JPEG", quality=95, subsampling=2), "RGB")
    assert blur(fine) < 8 < 16 < blur(coarse)
    grey = await read(saved(drawn()[0].convert("L"), "JPEG"))
    assert opened(grey.content).mode == "RGB"


def blur(image: Image.Image) -> float:
    """Return the difference between its pixels and those that were drawn."""
    pairs = zip(image.tobytes(), drawn()[0].tobytes(), strict=True)
    return sum(abs(one - other) for one, other in pairs) / len(image.tobytes())


async def test_what_was_drawn_in_few_colours_does_not_blur_however_large_it_is() -> None:
    image = Image.effect_noise((4_000, 3_800), 80).quantize(32)
    file = saved(image)
    assert len(file) < 10 * 1024 * 1024
    made = await read_apart(file)
    assert made.mime == "image/webp"  # as a PNG it would have more than 12 MiB
    assert opened(made.content).convert("RGB").tobytes() == image.convert("RGB").tobytes()


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("kind", [3, 4])
async def test_a_picture_is_turned_by_exif_of_either_byte_order_in_any_place(order: str, kind: int) -> None:
    image = Image.new("RGB", (40, 20), "white")
    image.paste("red", (0, 0, 10, 10))
    for way, corner in {2: (35, 5), 3: (35, 15), 4: (5, 15), 5: (5, 5), 6: (15, 5), 7: (15, 35), 8: (5, 35)}.items():
        said = b"Exif\0\0" + exif(way, order, kind)
        xmp = b'<x:xmpmeta><rdf:Description tiff:Orientation="%d"/></x:xmpmeta>' % way
        stale = b"<tiff:Orientation>3</tiff:Orientation>"
        files = [saved(image, "PNG", exif=said)]
        if kind == 3:
            files.append(saved(image, "JPEG", exif=said, xmp=stale, quality=95))
            files += [saved(image, "WEBP", xmp=xmp, lossless=True)] if order == "<" else []
        for file in files:
            seen = await still(file, "RGB")
            assert seen.size == ((40, 20) if way < 5 else (20, 40))
            assert seen.getpixel(corner) == pytest.approx(RED, abs=12)
    assert (await still(saved(image, "JPEG", exif=b"Exif\0\0" + exif(99)))).size == (40, 20)


def samples(depth: int, colour: int, values: list[tuple[int, ...]], *more: tuple[bytes, bytes]) -> bytes:
    """Return a PNG of a single row with these samples."""
    bits = "".join(format(sample, f"0{depth}b") for value in values for sample in value)
    line = int(bits.ljust(-(-len(bits) // 8) * 8, "0"), 2).to_bytes(-(-len(bits) // 8), "big")
    return chunks(ihdr(len(values), 1, depth, colour), *more, (b"IDAT", zlib.compress(b"\0" + line)), (b"IEND", b""))


@pytest.mark.parametrize("depth", [1, 2, 4, 8, 16])
async def test_the_one_grey_that_is_clear_is_looked_for_before_it_is_scaled(depth: int) -> None:
    most = 2**depth - 1
    for clear in {0, most // 2, most}:
        greys = [(0,), (most // 2,), (most,), (max(0, clear - 1),), (min(most, clear + 1),), (clear,)]
        image = await still(samples(depth, 0, greys, (b"tRNS", struct.pack(">H", clear))))
        assert [image.getpixel((x, 0))[3] for x in range(6)] == [0 if grey == clear else 255 for (grey,) in greys]  # type: ignore[index]
    seen = await still(samples(depth, 0, [(0,), (most,)], (b"tRNS", struct.pack(">H", 0))), "RGBA")
    assert seen.getpixel((1, 0)) == (*WHITE, 255)


@pytest.mark.parametrize("depth", [8, 16])
async def test_the_one_colour_that_is_clear_is_compared_in_all_its_bits(depth: int) -> None:
    most = 2**depth - 1
    clear = (most // 3, 7, most)
    near = [clear, (clear[0] + 1, *clear[1:]), (clear[0], 8, clear[2]), (*clear[:2], most - 1), (0, 0, 0)]
    image = await still(samples(depth, 2, near, (b"tRNS", struct.pack(">HHH", *clear))))
    assert [image.getpixel((x, 0))[3] for x in range(5)] == [0, 255, 255, 255, 255]  # type: ignore[index]


async def test_a_palette_may_be_clear_in_part() -> None:
    palette = (b"PLTE", bytes((*RED, *GREEN, *BLUE)))
    image = await still(samples(8, 3, [(0,), (1,), (2,)], palette, (b"tRNS", b"\0\x80")))
    assert [image.getpixel((x, 0)) for x in range(3)] == [(*RED, 0), (*GREEN, 128), (*BLUE, 255)]
    too_many = await still(samples(8, 3, [(0,), (1,)], palette, (b"tRNS", bytes(4))))
    assert too_many.getpixel((0, 0)) == (*RED, 255)


async def test_an_animated_png_has_a_clear_colour_in_all_its_frames() -> None:
    line = zlib.compress(b"\0" + struct.pack(">HH", 300, 301))
    parts = [ihdr(2, 1, 16, 0), (b"tRNS", struct.pack(">H", 300)), (b"acTL", struct.pack(">II", 2, 0))]
    control = struct.pack(">IIIIHHBB", 2, 1, 0, 0, 1, 9, 0, 0)
    parts += [(b"fcTL", bytes(4) + control), (b"IDAT", line), (b"fcTL", b"\0\0\0\1" + control)]
    file = chunks(*parts, (b"fdAT", b"\0\0\0\2" + zlib.compress(b"\0" + struct.pack(">HH", 9, 300))), (b"IEND", b""))
    images, _, _ = await frames(file)
    assert [[image.getpixel((x, 0))[3] for x in (0, 1)] for image in images] == [[0, 255], [255, 0]]  # type: ignore[index]


async def test_sixteen_bits_become_eight() -> None:
    grey = [(0,), (0x0100,), (0x80FF,), (0xFFFF,)]
    image = await still(samples(16, 0, grey), "L")
    assert [image.getpixel((x, 0)) for x in range(4)] == [0, 1, 128, 255]
    image = await still(samples(16, 4, [(0x8000, 0xFFFF), (0xFFFF, 0x4000)]))
    assert [image.getpixel((x, 0)) for x in range(2)] == [(128, 128, 128, 255), (255, 255, 255, 64)]
    image = await still(samples(16, 6, [(0xFFFF, 0, 0x8000, 0x4000)]))
    assert image.getpixel((0, 0)) == (255, 0, 128, 64)


async def test_a_profile_of_greys_is_applied_beside_alpha_too() -> None:
    white = ImageCms.createProfile("sRGB")
    profile = bytearray(ImageCms.ImageCmsProfile(white).tobytes())
    profile[16:20] = b"GRAY"
    linear = bytes(profile).replace(b"rTRC", b"kTRC")
    at = int.from_bytes(linear[linear.index(b"kTRC") + 4 :][:4], "big")
    linear = linear[:at] + b"curv" + bytes(8) + linear[at + 12 :]  # a curve of no points: as bright as it says
    for image in (Image.new("L", (9, 9), 100), Image.new("LA", (9, 9), (100, 200))):
        seen = (await still(saved(image, icc_profile=linear))).getpixel((4, 4))
        assert seen == pytest.approx((168, 168, 168, 200 if image.mode == "LA" else 255), abs=3)


@pytest.mark.parametrize("progressive", [False, True])
async def test_a_jpeg_that_is_cut_off_shows_what_there_is(door: Door, ada: Person, progressive: bool) -> None:
    whole = noise((300, 300), "JPEG", progressive=progressive)
    file = whole[: len(whole) * 2 // 3]
    ref = (await upload(ada, file)).ok(MediaRef, 201)
    assert (ref.width, ref.height, ref.truncated) == (300, 300, True)
    shown, before = opened((await door.ask("GET", ref.url)).raw).convert("L"), opened(whole).convert("L")
    top = zip(shown.crop((0, 0, 300, 100)).tobytes(), before.crop((0, 0, 300, 100)).tobytes(), strict=True)
    assert sum(abs(one - other) for one, other in top) / 30_000 < 40
    if not progressive:
        assert shown.crop((0, 290, 300, 300)).getextrema() == pytest.approx((128, 128), abs=2)
    post = (await ada.ask("POST", "/v1/posts", {"text": "look", "media": [ref.id]})).ok(Post, 201)
    assert [each.truncated for each in post.media] == [True]
    assert not (await uploaded(ada)).truncated


async def test_a_png_that_is_cut_off_shows_what_there_is() -> None:
    whole = noise((300, 300))
    made = await read(whole[: len(whole) * 2 // 3])
    assert (made.width, made.height, made.truncated) == (300, 300, True)
    top = (0, 0, 300, 150)
    assert opened(made.content).crop(top).tobytes() == opened(whole).crop(top).tobytes()


async def test_what_is_damaged_in_the_middle_shows_what_comes_before() -> None:
    png_, jpeg, progressive = noise((300, 300)), noise((300, 300), "JPEG"), noise((300, 300), "JPEG", progressive=True)
    marks = (b"\xff\x05\0\x02", b"\xff\x05\xff\xff", b"\xff\xc0\xff\xff")
    for whole, mark in [(png_, marks[0]), *product((jpeg, progressive), marks)]:
        at = len(whole) * 2 // 3
        made = await read(whole[:at] + mark * 30 + whole[at + 120 :])
        top = (0, 0, 300, 100)
        pairs = zip(opened(made.content).crop(top).tobytes(), opened(whole).crop(top).tobytes(), strict=True)
        assert sum(abs(one - other) for one, other in pairs) / 90_000 < (40 if whole is progressive else 12)
        assert (made.width, made.height, made.truncated) == (300, 300, True)
    checksum = chunks(ihdr(80, 60, 8, 2), (b"IDAT", zlib.compress((b"\0" + bytes(range(240))) * 60)[:-1] + b"?"))
    assert (await read(checksum)).height == 60
    moves = bytearray(webp("red", "green", "blue", duration=90))
    third = moves.rindex(b"VP8L") + 13
    moves[third : third + 5] = b"\xff" * 5
    made = await read(bytes(moves))
    assert (opened(made.content).n_frames, made.truncated) == (2, True)  # type: ignore[attr-defined]


async def test_of_what_moves_and_is_cut_off_whole_frames_are_shown() -> None:
    gif_ = saved(drawn()[0], "GIF", save_all=True, append_images=drawn()[1:], duration=90)
    moves = [(("red", "green", "blue", "white")[number], (0, 0, 40, 30), (1, 9)) for number in range(4)]
    frame = webp("red", "green", "blue", "white", duration=90)
    for file, most in ((gif_, 3), (apng(*moves), 4), (frame, 4)):
        made = await read(file[: len(file) * 3 // 4])
        image = opened(made.content)
        assert made.truncated
        assert 1 < image.n_frames < most + (most == 3)  # type: ignore[attr-defined]
    assert await refusal(noise((60, 60), "GIF", interlace=True)[:2_000]) == "broken"  # what came is every eighth line
    one = noise((60, 60), "GIF", interlace=False)
    made = await read(one[: len(one) // 2])
    assert (made.mime, made.truncated) == ("image/png", True)
    seen = opened(made.content).convert("RGB").crop((0, 0, 60, 20))
    assert seen.tobytes() == opened(one).convert("RGB").crop((0, 0, 60, 20)).tobytes()


async def test_what_is_whole_is_not_said_to_be_cut_off() -> None:
    moves = webp("red", "blue", duration=90, exif=b"Exif\0\0" + exif(1) + bytes(90))
    assert not (await read(moves[:-9])).truncated  # nothing but EXIF
    for file in (
        gif(9),
        apng(*[("red", (0, 0, 40, 30), (1, 9))] * 2),
        webp("red", "blue", duration=9),
        noise((90, 90), "JPEG"),
    ):
        assert not (await read(file)).truncated


async def test_what_is_no_picture_is_still_refused() -> None:
    assert await refusal(noise((300, 300), "WEBP")[:9_000]) == "broken"
    assert await refusal(picture() + PAGE) == "more_than_a_picture"
    assert await refusal(b"GIF89a" + bytes(90)) == "not_a_picture"
    assert await refusal(b"RIFF\4\0\0\0WEBP") == "not_a_picture"
    assert await refusal(chunks((b"IEND", b""))) == "not_a_picture"
    grey = Image.new("L", (20, 20))
    out = BytesIO()
    grey.save(out, "PNG")
    assert (await read(out.getvalue())).mime == "image/png"


async def test_a_heic_of_a_phone_is_turned_and_kept_without_its_metadata() -> None:
    file = HEIC.read_bytes()
    assert b"Maker of cameras" in file
    made = await read_apart(file)
    assert (made.mime, made.width, made.height, made.truncated) == ("image/jpeg", 48, 64, False)
    assert b"Maker" not in made.content
    image = opened(made.content)
    assert dict(image.getexif()) == {}
    for at, colour in (((36, 16), RED), ((12, 48), BLUE), ((12, 16), WHITE)):
        assert pixel(image, *at) == pytest.approx(colour, abs=20)
    assert await refusal(file[:700]) == "broken"
    assert await refusal(file + PAGE) == "more_than_a_picture"


async def test_an_avif_becomes_a_jpeg_or_with_alpha_a_webp_and_is_turned() -> None:
    image = Image.new("RGB", (64, 48), "white")
    image.paste("red", (0, 0, 32, 24))
    made = await read_apart(saved(image, "AVIF", quality=90, speed=10, exif=b"Exif\0\0" + exif(6)))
    assert (made.mime, made.width, made.height) == ("image/jpeg", 48, 64)
    assert pixel(opened(made.content), 36, 16) == pytest.approx(RED, abs=20)
    image.putalpha(128)
    made = await read_apart(saved(image, "AVIF", speed=10))
    assert (made.mime, pixel(opened(made.content), 48, 36)[3]) == ("image/webp", 128)
    cut = saved(image, "AVIF", speed=10)
    assert await refusal(cut[:-40]) == "broken"
    assert await refusal(cut + PAGE) == "more_than_a_picture"


async def test_a_moving_avif_becomes_a_moving_webp() -> None:
    images = [Image.new("RGB", (40, 30), colour) for colour in ("red", "blue")]
    file = saved(images[0], "AVIF", save_all=True, append_images=images[1:], duration=200, speed=10)
    seen, durations, loops = await frames(file)
    assert (durations, loops) == ([200, 200], 0)
    assert [each.getpixel((5, 5)) for each in seen] == [
        pytest.approx((*RED, 255), abs=20),
        pytest.approx((*BLUE, 255), abs=20),
    ]


@pytest.mark.parametrize(
    ("kind", "mode", "options"),
    [("JPEG", "RGB", {"progressive": True, "subsampling": "4:4:4"}), ("PNG", "RGBA", {"compress_level": 1})],
)
async def test_a_picture_of_60_megapixels_is_scaled_within_the_memory_of_a_decoder(
    kind: str, mode: str, options: dict[str, object]
) -> None:
    made = await read_apart(saved(Image.new(mode, (9_486, 6_324), "teal"), kind, **options))
    assert (made.width, made.height) == (6_123, 4_082)


async def test_a_webp_of_more_than_32_megapixels_is_refused() -> None:
    assert await refusal(picture("WEBP", (7_000, 4_600))) == "too_many_pixels"


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "LA", "CMYK"])
def test_scaling_strip_by_strip_equals_scaling_the_whole(mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scaling, "MOST_PIXELS", 30_000)
    monkeypatch.setattr(scaling, "STRIP", 16)
    image = Image.frombytes(mode, (301, 233), Random(7).randbytes(301 * 233 * len(Image.new(mode, (1, 1)).getbands())))
    scaled = scaling.fitted(image)
    assert (scaled.width * scaled.height <= 30_000, scaled.mode) == (True, mode)
    whole = image.resize(scaled.size, Image.Resampling.LANCZOS)
    assert all(_furthest(*bands) <= 3 for bands in zip(_seen(scaled), _seen(whole), strict=True))


def _seen(image: Image.Image) -> tuple[Image.Image, ...]:
    """Return the bands multiplied by alpha: the colour of a nearly transparent pixel is mostly rounding."""
    premultiplied = {"RGBA": "RGBa", "LA": "La"}.get(image.mode)
    return (image.convert(premultiplied) if premultiplied else image).split()


def _furthest(one: Image.Image, other: Image.Image) -> int:
    return ImageChops.difference(one, other).getextrema()[1]  # type: ignore[return-value]


def test_the_decoder_of_a_heic_may_start_threads_but_no_process() -> None:
    done = subprocess.run([sys.executable, "-c", STARTS], capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["True", "thread", "refused", "refused"], done.stderr


STARTS = """
import os, threading
from social.infra.files.pictures.threads import only_threads
print(only_threads())
thread = threading.Thread(target=print, args=("thread",))
thread.start()
thread.join()
for start in (os.fork, lambda: os.execv("/bin/true", ["true"])):
    try:
        start()
    except PermissionError:
        print("refused")
"""
