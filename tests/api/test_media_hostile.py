"""Hostile files and uploads: refused, nothing left on disk, and everybody else is served."""

import asyncio
import os
import shutil
import signal
import socket
import struct
import time
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from zipfile import ZipFile

import aiohttp
import psutil
import pytest
import pytest_asyncio
from PIL import Image
from prometheus_client import REGISTRY
from structlog.testing import capture_logs
from support.eventually import eventually
from support.one_site import new_person, one_door, one_loop, one_site
from support.patience import PATIENT_S
from support.people import Answer, Door, Person
from support.pictures import form, gif, kept, noise, picture, png, saved, upload, uploaded
from support.site import Site

from api import forms, http
from social.infra.files.pictures import decoding
from social.infra.files.pictures.decoding import AT_ONCE, MOST_WAITING, Decoders

pytestmark = one_loop
site, door = one_site(), one_door()
ada, bob = new_person("ada"), new_person("bob")


@pytest_asyncio.fixture(autouse=True, loop_scope="module")
async def nothing_kept(site: Site) -> None:
    """Take away the pictures of earlier tests, and their rows."""
    shutil.rmtree(site.pictures, ignore_errors=True)
    await site.plaza.mongo.delete("media", {})


SCRIPT = b"<script>alert(document.domain)</script>"


def zipped() -> bytes:
    out = BytesIO()
    with ZipFile(out, "w") as archive:
        archive.writestr("evil.js", SCRIPT)
    return out.getvalue()


def flicker(frames: int, side: int) -> bytes:
    images = [Image.new("L", (side, side), colour) for colour in (0, 255)] * (frames // 2)
    return saved(images[0], "GIF", save_all=True, append_images=images[1:], duration=100)


def _before(mark: bytes, file: bytes, more: int) -> bytes:
    return file[: file.index(mark) + more]


def huge_avif() -> bytes:
    """Return an AVIF whose box of the size (ispe) claims 16,000 pixels a side."""
    file = saved(Image.new("RGB", (64, 48)), "AVIF", speed=10)
    at = file.index(b"ispe") + 8
    return file[:at] + struct.pack(">II", 16_000, 16_000) + file[at + 8 :]


DRAWING = b'<svg xmlns="http://www.w3.org/2000/svg">' + SCRIPT + b"</svg>"
HUGE = b"RIFF" + struct.pack("<I", 22) + b"WEBPVP8X" + struct.pack("<I", 10) + b"\x02\0\0\0" + b"\xff\x3f\0\xff\x3f\0"
HARMFUL: dict[str, tuple[Callable[[], bytes], str]] = {
    "a pixel bomb": (lambda: png(50_000, 50_000, zlib.compress(bytes(1_000_000), 9)), "too_many_pixels"),
    "a bomb that is just too large": (lambda: png(7_747, 7_747, zlib.compress(bytes(1_000_000), 9)), "too_many_pixels"),
    "one very long line": (lambda: png(20_000_000, 1, zlib.compress(bytes(1_000), 9)), "too_many_pixels"),
    "a WebP that says it is huge": (lambda: HUGE, "too_many_pixels"),
    "no size at all": (lambda: png(0, 0, b""), "not_a_picture"),
    "a GIF of 10,000 frames": (lambda: gif(10_000), "too_many_frames"),
    "a GIF of many megapixels in all its frames": (lambda: flicker(200, 360), "too_many_pixels"),
    "a script that says GIF": (lambda: b"GIF89a/*" + b"\0" * 20 + b"*/=1;" + SCRIPT, "not_a_picture"),
    "a page": (lambda: b"<!doctype html>" + SCRIPT, "not_a_picture"),
    "a drawing with a script": (lambda: DRAWING, "not_a_picture"),
    "an archive": (zipped, "not_a_picture"),
    "a video": (lambda: b"\0\0\0\x18ftypisom\0\0\2\0isomiso2" + bytes(2_000), "not_a_picture"),
    "a HEIC of nothing": (lambda: b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(2_000), "not_a_picture"),
    "an AVIF that says it is huge": (huge_avif, "too_many_pixels"),
    "a BMP": (lambda: picture("BMP"), "not_a_picture"),
    "a TIFF": (lambda: picture("TIFF"), "not_a_picture"),
    "an EPS, which is a program": (lambda: b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "not_a_picture"),
    "the beginning of a JPEG and nothing else": (lambda: b"\xff\xd8\xff" + bytes(50), "not_a_picture"),
    "a JPEG without a pixel": (lambda: _before(b"\xff\xda\0\x0c", noise((300, 300), "JPEG"), 14), "broken"),
    "a PNG without a pixel": (lambda: _before(b"IDAT", noise((300, 300)), 4), "broken"),
    "a GIF without a pixel": (lambda: _before(b",", gif(1), 10), "not_a_picture"),
    "half a WebP": (lambda: noise((300, 300), "WEBP")[:9_000], "broken"),
    "a PNG whose pixels are no pixels": (lambda: png(100, 100, b"not packed at all"), "broken"),
    "a picture and an archive": (lambda: picture() + zipped(), "more_than_a_picture"),
    "an archive that something follows": (lambda: picture("JPEG") + b"PK" + zipped() + b"etc.", "more_than_a_picture"),
    "a picture and a page": (lambda: picture("GIF") + SCRIPT.upper(), "more_than_a_picture"),
    "a drawing behind a picture": (lambda: picture() + b"<svg version='1.1' xmlns='x'>", "more_than_a_picture"),
    "a program behind a picture": (lambda: picture("WEBP") + b"<?PHP system(1);", "more_than_a_picture"),
    "a picture and a document": (lambda: picture("JPEG") + b"%PDF-1.7\n", "more_than_a_picture"),
    "a byte": (lambda: b"\xff", "not_a_picture"),
    "nothing": (lambda: b"", "not_a_picture"),
}  # fmt: skip


@pytest.mark.parametrize("name", HARMFUL)
async def test_harmful_files_are_refused_and_leave_nothing(site: Site, ada: Person, name: str) -> None:
    make, code = HARMFUL[name]
    file = make()
    assert len(file) < forms.MOST_FILE
    assert (await upload(ada, file)).wrong_fields() == {"/file": code}
    assert kept(site.pictures) == []
    assert await site.plaza.mongo.many("media", {}) == []
    await uploaded(ada)


async def test_what_a_phone_leaves_in_and_behind_a_picture_is_dropped(site: Site, ada: Person) -> None:
    clip, words = b"\0\0\0\x18ftypmp42" + bytes(90), b"<x:xmpmeta>evil.js, PK\5\6, <b>"
    for file in (
        picture("JPEG") + clip,
        picture() + b"PK\5\6 and no archive",
        picture("JPEG", comment=words),
        picture("WEBP", xmp=words),
    ):
        ref = await uploaded(ada, file)
        answer = await ada.ask("GET", ref.url, token=None)
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert len(kept(site.pictures)) == 8
    for path in kept(site.pictures):
        content = path.read_bytes()
        assert not any(left in content for left in (b"ftyp", b"PK", b"evil", b"xmp"))


async def test_random_damage_never_gets_through_as_anything_but_a_picture_or_a_refusal(ada: Person) -> None:
    whole = {kind: noise((64, 64), kind) for kind in ("JPEG", "PNG", "WEBP", "GIF")}
    for at in range(5):
        for file in whole.values():
            damaged = bytearray(file)
            place = (at * 7_919) % (len(file) - 40) + 16
            damaged[place : place + 4] = b"\xff\x00\xff\x7f"
            assert (await upload(ada, bytes(damaged))).status in (201, 422)


async def chunked(*pieces: bytes, pause_s: float = 0) -> AsyncIterator[bytes]:
    """A body without a Content-Length."""
    for piece in pieces:
        yield piece
        await asyncio.sleep(pause_s)


HEAD = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
MULTIPART = {"Content-Type": "multipart/form-data; boundary=x"}


async def sent(person: Person, *pieces: bytes, **more: Any) -> Answer:
    """Send a body byte by byte as given."""
    return await person.ask("POST", "/v1/media", data=chunked(*pieces, **more), headers=MULTIPART)


async def test_eleven_mebibytes_are_refused_whether_or_not_their_length_is_said(site: Site, ada: Person) -> None:
    file = picture("JPEG") + bytes(11 * 1024 * 1024)
    (await upload(ada, file)).refused(413, "too_large")
    pieces = [file[at : at + 65_536] for at in range(0, len(file), 65_536)]
    (await sent(ada, HEAD, *pieces, b"\r\n--x--\r\n")).refused(413, "too_large")
    assert kept(site.pictures) == []


async def test_an_endless_body_is_cut_off_soon_after_what_a_picture_can_have(ada: Person) -> None:
    url = urlsplit(ada.door.url)
    reader, writer = await asyncio.open_connection(url.hostname, url.port)
    writer.write(
        b"POST /v1/media HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n"
        b"Authorization: Bearer " + ada.tokens.access_token.encode() + b"\r\n"
        b"Content-Type: multipart/form-data; boundary=x\r\n\r\n"
    )
    for piece in (HEAD, picture("JPEG")):
        writer.write(b"%x\r\n%s\r\n" % (len(piece), piece))
    answered = asyncio.ensure_future(reader.readline())
    count = 0
    while not answered.done():
        writer.write(b"10000\r\n" + bytes(65_536) + b"\r\n")
        await writer.drain()
        count += 65_536
        assert count < 4 * forms.MOST_FILE
    assert b" 413 " in await answered
    writer.transport.abort()  # a server that is asked to stop would still wait for the rest


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"nonsense", 400),
        (b"--x\r\n", 422),
        (b"--x--\r\n", 422),
        (HEAD, 400),
        (HEAD + picture(), 400),  # it does not end
        (b"--x\r\n\r\nhello\r\n--x--\r\n", 422),
        (b'--x\r\nContent-Disposition: form-data; name="file\0"\r\n\r\nx\r\n--x--\r\n', 400),
        (b'--x\r\nContent-Disposition: form-data; name="\r\n\r\nx\r\n--x--\r\n', 422),
        (b"--x\r\nContent-Disposition: " + b"a" * 20_000 + b"\r\n\r\nx\r\n--x--\r\n", 400),
        (b"--x\r\n" + b"A: b\r\n" * 1_000 + b"\r\nx\r\n--x--\r\n", 400),
        (b"--x\r\nContent-Type: multipart/mixed; boundary=y\r\n\r\n--y\r\n\r\nz\r\n--y--\r\n--x--\r\n", 400),
        (b"preamble " * 100_000, 400),
        (HEAD + picture() + b"\r\n" + HEAD + picture() + b"\r\n--x--\r\n", 422),
        (b"".join(b'--x\r\nContent-Disposition: form-data; name="f%d"\r\n\r\nv\r\n' % n for n in range(1_000)), 422),
    ],
    ids=range(15),
)
async def test_forms_that_are_none_are_refused(site: Site, ada: Person, body: bytes, status: int) -> None:
    for _ in range(2):  # and the connection is as good as before
        answer = await ada.ask("POST", "/v1/media", data=body, headers=MULTIPART)
        assert answer.status in (status, 400), answer
        answer.refused(answer.status, answer.body["code"])
    assert kept(site.pictures) == []
    await uploaded(ada)


async def test_names_that_lead_elsewhere_lead_nowhere(site: Site, ada: Person) -> None:
    for name in (
        "../../../../tmp/plaza-was-here.png",
        "/tmp/plaza-was-here.png",
        "a\\..\\b",
        "x" * 4_000,
        "%00.png",
        "…",
    ):
        head = f'--x\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n\r\n'.encode()
        assert (await sent(ada, head, picture(), b"\r\n--x--\r\n")).status in (201, 400), name
    names = {path.name.partition(".")[0] for path in kept(site.pictures)}
    assert names == {row["_id"] for row in await site.plaza.mongo.many("media", {})}
    with_nul = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a\0.png"\r\n\r\n'
    assert (await sent(ada, with_nul, picture(), b"\r\n--x--\r\n")).status in (201, 400)


@pytest.mark.parametrize("kind", ["application/json", "text/plain", "multipart/mixed; boundary=x", "image/png"])
async def test_another_kind_of_body_is_named(ada: Person, kind: str) -> None:
    answer = await ada.ask("POST", "/v1/media", data=b"{}", headers={"Content-Type": kind})
    answer.refused(415, "unsupported_media_type")


async def test_a_form_without_a_boundary_is_refused(ada: Person) -> None:
    for kind in ("multipart/form-data", "multipart/form-data; boundary=" + "x" * 200):
        answer = await ada.ask("POST", "/v1/media", data=b"--x--", headers={"Content-Type": kind})
        answer.refused(400, "malformed_form")


async def test_a_slow_upload_that_keeps_its_pace_is_not_cut_off(ada: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "DEADLINE_S", 0.5)
    pieces = [picture()[at : at + 20] for at in range(0, len(picture()), 20)]
    started = time.monotonic()
    answer = await sent(ada, HEAD, *pieces, b"\r\n--x--\r\n", pause_s=1.0 / len(pieces))
    assert time.monotonic() - started > 0.9
    assert answer.status == 201


async def test_an_upload_that_drips_is_given_up(site: Site, ada: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forms, "GRACE_S", 0.5)
    url = urlsplit(ada.door.url)
    reader, writer = await asyncio.open_connection(url.hostname, url.port)
    writer.write(
        b"POST /v1/media HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n"
        b"Authorization: Bearer " + ada.tokens.access_token.encode() + b"\r\n"
        b"Content-Type: multipart/form-data; boundary=x\r\n\r\n" + HEAD + picture()
    )
    answered = asyncio.ensure_future(reader.readline())
    while not answered.done():
        writer.write(b".")
        await asyncio.sleep(0.05)
    assert b" 408 " in await answered
    writer.close()
    assert kept(site.pictures) == []


async def test_an_aborted_upload_leaves_nothing_and_gives_its_place_back(site: Site, ada: Person) -> None:
    url = urlsplit(ada.door.url)
    for _ in range(forms.MOST_PER_PERSON * 2):
        _, writer = await asyncio.open_connection(url.hostname, url.port)
        writer.write(
            b"POST /v1/media HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n"
            b"Authorization: Bearer " + ada.tokens.access_token.encode() + b"\r\n"
            b"Content-Type: multipart/form-data; boundary=x\r\n\r\n" + HEAD + picture("JPEG") + bytes(100_000)
        )
        await writer.drain()
        writer.transport.abort()

    async def again() -> None:
        assert (await upload(ada, picture())).status == 201

    await eventually(again)
    assert len(kept(site.pictures)) == 2


async def test_one_person_has_so_many_uploads_at_once_and_no_more(ada: Person, bob: Person) -> None:
    hold = asyncio.Event()

    async def waiting() -> AsyncIterator[bytes]:
        yield HEAD + picture()
        await hold.wait()
        yield b"\r\n--x--\r\n"

    held = [
        asyncio.create_task(ada.ask("POST", "/v1/media", data=waiting(), headers=MULTIPART))
        for _ in range(forms.MOST_PER_PERSON)
    ]

    await arrived("plaza_uploads_in_flight", forms.MOST_PER_PERSON)
    answer = await upload(ada, picture())
    answer.refused(429, "rate_limited")
    assert int(answer.headers["Retry-After"]) >= 1
    await uploaded(bob)
    hold.set()
    assert {answer.status for answer in await asyncio.gather(*held)} == {201}
    await uploaded(ada)


async def arrived(gauge: str, least: int) -> None:
    """Wait until a gauge of the API has a value."""

    async def look() -> None:
        assert (REGISTRY.get_sample_value(gauge) or 0) >= least

    await eventually(look)


async def unharmed(door: Door, person: Person, meanwhile: Awaitable[list[Answer]]) -> tuple[list[Answer], int]:
    """Return the answers, and the number of other requests that were answered until the last of them."""
    work, count = asyncio.ensure_future(meanwhile), 0
    while not work.done():
        assert (await person.ask("GET", "/v1/users/me")).status == 200
        count += 1
    return await work, count


async def test_twenty_uploads_at_once_are_taken_or_refused_and_others_are_served(site: Site, door: Door) -> None:
    people = [await door.register(f"person_{n}") for n in range(20)]
    file = noise((1_000, 800), "JPEG", quality=95)
    answers, others = await unharmed(door, people[0], asyncio.gather(*(upload(each, file) for each in people)))
    taken = [answer for answer in answers if answer.status == 201]
    for answer in answers:
        if answer.status != 201:
            answer.refused(429, "rate_limited")
            assert answer.headers["Retry-After"]
    assert AT_ONCE <= len(taken) <= AT_ONCE + MOST_WAITING + len(people)
    assert others > 10
    assert len(kept(site.pictures)) == 2 * len(taken)
    assert await eventually_no_decoder(site)


async def eventually_no_decoder(_plaza: Site) -> bool:
    async def none() -> bool:
        children = psutil.Process().children(recursive=True)
        assert not [each for each in children if decoder(each)]
        return True

    return await eventually(none)


def decoder(process: psutil.Process) -> bool:
    try:
        return str(decoding.PROGRAM) in process.cmdline()
    except psutil.Error:
        return False


async def test_bombs_do_not_fill_the_memory_of_the_process_that_serves(ada: Person) -> None:
    us = psutil.Process()
    names = ("a pixel bomb", "a GIF of 10,000 frames", "a bomb that is just too large")
    bombs = [HARMFUL[name][0]() for name in names]
    await uploaded(ada)  # whatever is loaded once
    before = us.memory_info().rss
    most = 0
    for bomb in bombs:
        work = asyncio.ensure_future(upload(ada, bomb))
        while not work.done():
            most = max(most, us.memory_info().rss - before)
            await asyncio.sleep(0.005)
        assert (await work).status == 422
    assert most < 100 * 1024 * 1024, "decoded, each of them would be 75 MB and more"


async def test_files_in_hand_are_bounded_all_together(
    door: Door, ada: Person, bob: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = noise((300, 300), "PNG")
    monkeypatch.setattr(forms, "MOST_HELD", len(file) * 3 // 2)
    hold = asyncio.Event()

    async def waiting() -> AsyncIterator[bytes]:
        yield HEAD + file
        await hold.wait()
        yield b"\r\n--x--\r\n"

    held = asyncio.create_task(ada.ask("POST", "/v1/media", data=waiting(), headers=MULTIPART))

    await arrived("plaza_uploads_in_flight_bytes", len(file) * 3 // 4)
    (await upload(bob, file)).refused(429, "rate_limited")
    hold.set()
    assert (await held).status == 201
    await uploaded(bob, file)


@pytest.fixture
def endless(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let decoders never end by themselves."""
    program = tmp_path / "decoder.py"
    program.write_text("import time\ntime.sleep(3_600)\n")
    monkeypatch.setattr(decoding, "PROGRAM", program)


@pytest.mark.usefixtures("endless")
async def test_a_killed_decoder_is_a_503_and_the_next_picture_is_fine(
    site: Site, ada: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = asyncio.ensure_future(upload(ada, picture()))

    async def found() -> psutil.Process:
        running = [each for each in psutil.Process().children(recursive=True) if decoder(each)]
        assert running
        return running[0]

    os.kill((await eventually(found)).pid, signal.SIGKILL)
    answer = await work
    monkeypatch.undo()
    answer.refused(503, "unavailable")
    assert answer.headers["Retry-After"]
    assert kept(site.pictures) == []
    await uploaded(ada)
    assert await eventually_no_decoder(site)


async def test_a_decoder_that_never_ends_is_ended(ada: Person, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "decoder.py"
    monkeypatch.setattr(decoding, "PROGRAM", program)
    monkeypatch.setattr(decoding, "WITHIN_S", 1.0)
    program.write_text("import time\ntime.sleep(60)\n")
    (await upload(ada, picture())).refused(503, "unavailable")
    for says, status, code in (
        ("import os, signal\nos.kill(os.getpid(), signal.SIGXCPU)", 422, "too_much_work"),
        ("import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)", 422, "broken"),
        ("raise SystemExit(3)", 422, "broken"),
        ("print('nonsense')", 422, "broken"),
        ("import sys\nsys.stdin.buffer.read()\nsys.stdout.buffer.write(b'\\0\\0\\0\\2[]')", 422, "broken"),
        ('import sys\nsys.stdout.buffer.write(b\'\\0\\0\\0\\x13{"refused": "<b>"}  \')', 422, "broken"),
    ):
        program.write_text(says)
        monkeypatch.setattr(decoding, "WITHIN_S", PATIENT_S)
        answer = await upload(ada, picture())
        assert (answer.status, answer.wrong_fields()) == (status, {"/file": code}), says
    program.write_text("while True:\n    print('x' * 100_000)\n")
    assert (await upload(ada, picture())).wrong_fields() == {"/file": "broken"}


async def test_a_decoder_has_no_files_no_sockets_no_secrets_and_little_memory(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MONGO_URL", "mongodb://user:secret@nowhere")
    program, found = tmp_path / "decoder.py", tmp_path / "found"
    found.touch()
    tried = """
    tried = []
    for attempt in (lambda: open('/etc/passwd'), lambda: __import__('socket').socket(), lambda: bytearray(900_000_000),
                    lambda: print(x, file=open('found', 'w'))):
        try:
            attempt()
            tried.append('possible')
        except (OSError, MemoryError, NameError) as error:
            tried.append(type(error).__name__)
    raise SystemExit(7 if 'possible' in tried or dict(os.environ).get('MONGO_URL') else 0)
"""
    begins = f"import os, sys\nsys.path.append({str(decoding.PROGRAM.parents[4])!r})\nimport socket\n"
    program.write_text(
        f"{begins}from social.infra.files.pictures.decoder import _confine\nif True:\n    _confine(){tried}"
    )
    process = await asyncio.create_subprocess_exec(
        os.sys.executable, "-I", program, env={}, stdin=asyncio.subprocess.DEVNULL, cwd=tmp_path
    )
    assert await process.wait() == 0


async def test_a_queue_that_is_full_refuses_at_once_and_empties(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoding, "MOST_WAITING", 2)
    decoders = Decoders()
    work = [asyncio.ensure_future(decoders.decode(picture())) for _ in range(AT_ONCE + 2)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert not any(each.done() for each in work)
    with pytest.raises(decoding.RateLimited):
        await decoders.decode(picture())
    assert len({made.content for made in await asyncio.gather(*work)}) == 1
    assert (await decoders.decode(picture())).width == 80
    assert decoders.pids == []


@pytest.mark.usefixtures("endless")
async def test_who_goes_away_takes_their_decoder_along() -> None:
    decoders = Decoders()
    work = asyncio.ensure_future(decoders.decode(picture()))

    async def running() -> int:
        assert decoders.pids
        return decoders.pids[0]

    pid = await eventually(running)
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work
    assert not psutil.pid_exists(pid)
    assert decoders.pids == []


async def test_a_reader_that_stalls_is_let_go(site: Site, ada: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.pictures.STALLS_S", 0.3)
    ref = await uploaded(ada, noise((1_800, 1_600), "PNG"))
    url = urlsplit(ada.door.url)
    with capture_logs() as logged, socket.socket() as slow:
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        slow.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(slow, (url.hostname, url.port))
        await loop.sock_sendall(slow, f"GET {ref.url} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        whole = sum(path.stat().st_size for path in kept(site.pictures))

        async def let_go() -> None:
            assert "picture cut short" in [each["event"] for each in logged]

        await eventually(let_go)
        got = 0
        async with asyncio.timeout(60):
            try:
                while piece := await loop.sock_recv(slow, 1_000_000):
                    got += len(piece)
            except ConnectionResetError:
                pass
    assert 0 < got < whole


async def test_no_token_is_needed_or_wanted_in_a_url(ada: Person) -> None:
    ref = await uploaded(ada)
    token = ada.tokens.access_token
    (await ada.door.ask("GET", f"/v1/media/{ref.id}?access_token={token}")).refused(401, "invalid_token")


async def test_pictures_are_never_packed_again(ada: Person) -> None:
    ref = await uploaded(ada, noise((300, 300)))
    answer = await ada.door.ask("GET", ref.url, headers={"Accept-Encoding": "gzip"})
    assert "Content-Encoding" not in answer.headers
    assert answer.raw.startswith(b"\x89PNG")


async def test_two_kinds_of_field_and_no_third(ada: Person) -> None:
    data = form(picture(), "x")
    data.add_field("colour", "red")
    assert (await ada.ask("POST", "/v1/media", data=data)).wrong_fields() == {"/colour": "extra_forbidden"}
    only = aiohttp.FormData(default_to_multipart=True)
    only.add_field("alt", "x")
    assert (await ada.ask("POST", "/v1/media", data=only)).wrong_fields() == {"/file": "missing"}
