"""Pictures whose decoding takes very long, and people who upload only these: refused at once, and others go first."""

import asyncio
import re
import struct
import time
import zlib
from pathlib import Path

import pytest
import uvloop
from PIL import Image
from support.eventually import eventually
from support.people import Person
from support.pictures import chunk, gif, noise, picture, saved, segment, upload, uploaded

from social.contracts.problems import RateLimited, ValidationFailed
from social.infra.files.pictures import decoder, decoding, limits
from social.infra.files.pictures.decoding import AT_ONCE, Decoders

ROOT = Path(__file__).parents[2]


def scans(count: int) -> bytes:
    """A progressive JPEG that goes over its pixels again and again, in 14 bytes each."""
    whole = saved(Image.effect_noise((64, 64), 80).resize((2_000, 2_000)), "JPEG", progressive=True, quality=30)
    starts = [found.start() for found in re.finditer(rb"\xff\xda", whole)]
    ends = [re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]").search(whole, at + 2) for at in starts]
    parts = [whole[at : end.start()] for at, end in zip(starts, ends, strict=True) if end]
    return whole[:-2] + min(parts, key=len) * count + b"\xff\xd9"


def frames_of_one(count: int) -> bytes:
    """A PNG that claims to have so many frames."""
    said = b"".join(
        chunk(b"fcTL", struct.pack(">IIIIIHHBB", number, 80, 60, 0, 0, 1, 9, 0, 0)) for number in range(count)
    )
    return picture()[:33] + chunk(b"acTL", struct.pack(">II", count, 0)) + said + picture()[33:]


def vast(frames: int) -> bytes:
    """A GIF of small frames, and then of frames much larger than the picture."""
    frame = b"," + struct.pack("<HHHHB", 0, 0, 4_000, 4_000, 0) + b"\2\1\4\0"
    return gif(2)[:-1] + frame * frames + b";"


ENDLESS = {
    "a JPEG of 12,000 scans": (lambda: scans(12_000), "too_much_work"),
    "scans with garbage between them": (
        lambda: scans(12_000).replace(b"\xff\xda", b"abc\xff\xff\xda"),
        "too_much_work",
    ),
    "a JPEG of a million segments": (
        lambda: b"\xff\xd8" + segment(0xFE) * 1_000_000 + picture("JPEG")[2:],
        "too_much_work",
    ),
    "a JPEG of fillers": (lambda: b"\xff\xd8" + b"\xff" * 5_000_000 + picture("JPEG")[2:], "too_much_work"),
    "a PNG of 400,000 chunks": (
        lambda: picture()[:33] + chunk(b"tEXt", b"a\0") * 400_000 + picture()[33:],
        "too_much_work",
    ),
    "a GIF of 300,000 frames": (lambda: gif(300_000, 2), "too_many_frames"),
    "a GIF of a million extensions": (lambda: picture("GIF")[:-1] + b"!\xfe\0" * 1_000_000 + b";", "too_much_work"),
}


async def test_what_is_said_often_is_read_once() -> None:
    packed = chunk(b"iCCP", b"a\0\0" + zlib.compress(bytes(5_000_000)))
    many = picture()[:33] + packed * 1_500 + picture()[33:]
    for file in (many, frames_of_one(5_000)):
        cpu = time.thread_time()
        assert decoder.look_ahead(file).layers == ()
        assert time.thread_time() - cpu < 2
        assert (await Decoders().decode(file)).width == 80
    with pytest.raises(ValidationFailed) as refused:
        await Decoders().decode(vast(200))
    assert [each.code for each in refused.value.errors or []] == ["too_many_pixels"]


@pytest.mark.parametrize("name", ENDLESS)
async def test_work_without_an_end_is_refused_before_it_begins(ada: Person, name: str) -> None:
    make, code = ENDLESS[name]
    file = make()
    if name == "a GIF of a million extensions":
        file = file.replace(b",", b"!\xfe\0" * 1_000_000 + b",", 1)
    answer = await upload(ada, file)
    assert answer.wrong_fields() == {"/file": code}
    with pytest.raises(limits.Refused):
        decoder.look_ahead(file)
    cpu = time.thread_time()
    with pytest.raises(limits.Refused):
        decoder.look_ahead(file)
    assert time.thread_time() - cpu < 0.5


async def test_few_scans_of_very_many_pixels_are_bounded_together(
    ada: Person, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    program = tmp_path / "decoder.py"
    program.write_text(
        f"import sys\nsys.path.append({str(ROOT)!r})\nfrom social.infra.files.pictures import limits\n"
        "limits.MOST_SCANNED = 2_000 * 2_000 * 20\nfrom social.infra.files.pictures import decoder\ndecoder.main([])\n"
    )
    monkeypatch.setattr(decoding, "PROGRAM", program)
    assert (await upload(ada, scans(30))).wrong_fields() == {"/file": "too_much_work"}


async def test_what_cameras_and_programs_write_is_no_endless_work(ada: Person) -> None:
    for file in (
        noise((400, 300), "JPEG", progressive=True),
        noise((400, 300), "JPEG", restart_marker_rows=1),
        noise((400, 300), "JPEG", icc_profile=b"\xff\xda" * 40_000),
        noise((400, 300), "JPEG", optimize=True, comment=b"\xff\xda\xff\xd9"),
        noise((400, 300), "PNG"),
        gif(200, 8),
    ):
        await uploaded(ada, file)


SLOW = """
import json, os, sys, time
data = sys.stdin.buffer.read()
while data.startswith(b"hold") and not os.path.exists(sys.argv[0] + ".go"):
    time.sleep(0.01)
header = json.dumps({"mime": "image/png", "width": 1, "height": 1, "blurhash": "x", "sizes": [1, 1]}).encode()
sys.stdout.buffer.write(len(header).to_bytes(4, "big") + header + b"ab")
"""


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Decoders:
    """Decoders whose work on a file that begins with `hold` ends after a call of `go`."""
    program = tmp_path / "decoder.py"
    program.write_text(SLOW)
    monkeypatch.setattr(decoding, "PROGRAM", program)
    return Decoders()


def go() -> None:
    """Let held decoders end."""
    decoding.PROGRAM.with_suffix(".py.go").touch()


async def test_who_holds_all_they_may_waits_for_nobody_else_to_be_served(slow: Decoders) -> None:
    assert slow.share < AT_ONCE
    eves = [asyncio.ensure_future(slow.decode(b"hold", "eve")) for _ in range(AT_ONCE + 2)]

    async def begun() -> None:
        assert len(slow.pids) == slow.share

    await eventually(begun)
    assert (await slow.decode(b"", "ada")).width == 1
    assert len(slow.pids) == slow.share
    assert not any(each.done() for each in eves)
    go()
    await asyncio.gather(*eves)


async def test_small_pictures_of_others_go_first(slow: Decoders, monkeypatch: pytest.MonkeyPatch) -> None:
    begun, decode = list[int](), slow._decode

    async def noted(data: bytes, *arguments: str) -> bytearray:
        begun.append(len(data))
        return await decode(data, *arguments)

    monkeypatch.setattr(slow, "_decode", noted)
    first = [asyncio.ensure_future(slow.decode(b"hold", f"first {n}")) for n in range(AT_ONCE)]
    await asyncio.sleep(0)
    others = [("bob", 1_000_000), ("eve", 10_000), ("eve", 10), ("ada", 100)]
    work = [asyncio.ensure_future(slow.decode(bytes(size), who)) for who, size in others]
    await asyncio.sleep(0)
    go()
    await asyncio.gather(*first, *work)
    assert begun.index(100) < begun.index(1_000_000)
    assert slow._at_work.total() == 0
    assert slow._waiting == []


async def test_who_waits_with_many_makes_room_for_who_waits_with_one(
    slow: Decoders, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decoding, "MOST_WAITING", 4)
    eves = [asyncio.ensure_future(slow.decode(b"hold", "eve")) for _ in range(slow.share + 4)]
    mals = [asyncio.ensure_future(slow.decode(b"hold", "mal")) for _ in range(AT_ONCE - slow.share)]
    await asyncio.sleep(0)
    ada = asyncio.ensure_future(slow.decode(b"", "ada"))
    await asyncio.sleep(0)
    go()
    assert (await ada).width == 1
    answers = await asyncio.gather(*eves, return_exceptions=True)
    assert [isinstance(each, RateLimited) for each in answers].count(True) >= 1
    await asyncio.gather(*mals)


async def test_who_goes_away_while_they_wait_leaves_no_place_taken(slow: Decoders) -> None:
    work = [asyncio.ensure_future(slow.decode(b"", f"p{n}")) for n in range(AT_ONCE + 3)]
    await asyncio.sleep(0)
    for each in work[:-1:2]:
        each.cancel()
    await asyncio.gather(*work, return_exceptions=True)
    assert slow._waiting == []
    assert slow._at_work.total() == 0
    assert (await slow.decode(b"", "ada")).width == 1


DOOMED = """
import os
for _ in range(os.read(0, 1)[0]):
    os.read(0, 65_536)
os._exit(3)
"""


def test_a_decoder_that_dies_while_it_is_given_the_file_is_a_broken_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    program = tmp_path / "decoder.py"
    program.write_text(DOOMED)
    monkeypatch.setattr(decoding, "PROGRAM", program)

    async def refusals() -> list[object]:
        decoders = Decoders()
        return [
            (await asyncio.gather(decoders.decode(bytes([reads]) + bytes(4_000_000)), return_exceptions=True))[0]
            for reads in range(0, 40, 5)
        ]

    assert {type(each) for each in uvloop.run(refusals())} == {ValidationFailed}  # the loop of production
