"""Bodies that do harm by their form alone: they are refused at once, and nobody waits for them."""

import asyncio
import zlib
from collections.abc import AsyncIterator
from io import BytesIO
from typing import Any
from urllib.parse import urlsplit

import pytest
from support.eventually import eventually
from support.loops import held
from support.one_site import new_person, one_door, one_loop, one_site
from support.people import Door, Person
from support.pictures import picture, uploaded

from api import decoding, forms
from social.infra.process import process

pytestmark = one_loop
site, door = one_site(), one_door()
ada = new_person("ada")

MOST_HELD_S = 0.25  # of computing between two turns of the loop; a picture's first megabyte takes a tenth of it
MIB = 1024 * 1024

HEAD = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
FORM = {"Content-Type": "multipart/form-data; boundary=x"}


@pytest.mark.parametrize(
    "body",
    [
        b"\n" * MIB + HEAD,
        b"\r\n" * (MIB // 2) + HEAD,
        b"a\n" * MIB,
        b"--y\r\n" * (MIB // 5),
        HEAD + picture() + b"\r\n--x--" + b"\n" * MIB,
        b"--x\r\n" + b"A:b\n" * (MIB // 4) + b"\r\n",
        b"--x\r\nContent-Disposition: form-data" + b';name="f"' * 900 + b"\r\n\r\n",
        b"".join(b'--x\r\nContent-Disposition: form-data; name="alt"\r\n\r\n\r\n' for _ in range(MIB // 60)),
    ],
    ids=["newlines", "lines", "letters", "boundaries", "behind", "headers", "names", "parts"],
)
async def test_a_form_of_nothing_but_lines_holds_nobody_up(ada: Person, body: bytes) -> None:
    async with held() as loop:
        answer = await ada.ask("POST", "/v1/media", data=BytesIO(body), headers=FORM)
    assert answer.status in (201, 400, 422), answer
    assert loop.longest_s < MOST_HELD_S
    await uploaded(ada)


async def test_lines_that_come_a_byte_at_a_time_hold_nobody_up(ada: Person) -> None:
    url = urlsplit(ada.door.url)
    reader, writer = await asyncio.open_connection(url.hostname, url.port)
    writer.write(
        b"POST /v1/media HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n"
        b"Authorization: Bearer " + ada.tokens.access_token.encode() + b"\r\n"
        b"Content-Type: multipart/form-data; boundary=x\r\n\r\n"
    )
    async with held() as loop:
        writer.write(b"1\r\na\r\n" * 120_000 + b"0\r\n\r\n")
        assert b" 400 " in await reader.readline()
    writer.transport.abort()
    assert loop.longest_s < MOST_HELD_S


@pytest.mark.parametrize("coding", ["base64", "quoted-printable", "x-none"])
async def test_a_part_is_sent_as_it_is(ada: Person, coding: str) -> None:
    head = HEAD.replace(b"\r\n\r\n", f"\r\nContent-Transfer-Encoding: {coding}\r\n\r\n".encode())
    body = head + picture("JPEG") + (b"A" + b"\n" * 70_000) * 40 + b"\r\n--x--\r\n"
    async with held() as loop:
        (await ada.ask("POST", "/v1/media", data=BytesIO(body), headers=FORM)).refused(400, "malformed_form")
    assert loop.longest_s < MOST_HELD_S
    plain = head.replace(coding.encode(), b"binary") + picture() + b"\r\n--x--\r\n"
    assert (await ada.ask("POST", "/v1/media", data=plain, headers=FORM)).status == 201


async def test_an_odd_header_of_a_part_leaves_nothing_behind(ada: Person) -> None:
    from aiohttp import multipart

    def remembered() -> int:
        return len(getattr(multipart, "__warningregistry__", {}))

    before = remembered()
    for number in range(20):
        body = b"--x\r\nContent-Disposition: form-data; %d\r\n\r\nx\r\n--x--\r\n" % number
        assert (await ada.ask("POST", "/v1/media", data=BytesIO(body), headers=FORM)).status in (400, 422)
    assert remembered() == before


async def test_json_of_many_small_things_holds_nobody_up(ada: Person) -> None:
    for body in (
        b"[" + b"[]," * (decoding.MAX_BODY // 3 - 2) + b"[]]",
        b'{"text":[' + b"{}," * (decoding.MAX_BODY // 3 - 10) + b"{}]}",
        b'{"ids":[' + b'"x",' * (decoding.MAX_BODY // 4 - 10) + b'"x"]}',
        b'{"' + b'":0,"'.join(b"%d" % number for number in range(decoding.MAX_BODY // 12)) + b'":0}',
    ):
        assert len(body) <= decoding.MAX_BODY
        async with held() as loop:
            for method, path in (("POST", "/v1/posts"), ("POST", "/v1/notifications/read")):
                assert (await ada.ask(method, path, data=body)).status in (400, 422)
        assert loop.longest_s < MOST_HELD_S


async def test_a_query_of_many_parameters_holds_nobody_up(ada: Person) -> None:
    for query in ("a&" * 3_900, "&".join(f"{number}" for number in range(1_500)), "limit=1&" * 900):
        async with held() as loop:
            answer = await ada.ask("GET", f"/v1/feed?{query}")
        assert len(answer.wrong_fields()) <= 101
        assert loop.longest_s < MOST_HELD_S
        answer = await ada.ask("GET", f"/v1/users/me?{query}")
        assert len(answer.wrong_fields()) <= 101


def bomb() -> bytes:
    packer = zlib.compressobj(9, wbits=31)
    return b"".join(packer.compress(bytes(MIB)) for _ in range(512)) + packer.flush()


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd", "GZIP", "gzip, gzip", "identity, gzip", "x"])
async def test_a_packed_body_is_refused_before_it_is_read(ada: Person, coding: str) -> None:
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while True:
            yield bytes(1_000)
            sent += 1_000
            await asyncio.sleep(0.05)

    for path in ("/v1/posts", "/v1/media", "/v1/auth/register"):
        async with asyncio.timeout(60):
            answer = await ada.ask("POST", path, data=endless(), headers={**FORM, "Content-Encoding": coding})
        answer.refused(415, "unsupported_content_encoding")
        assert answer.headers["Accept-Encoding"] == "identity"
    assert sent < 500_000
    assert (await ada.publish("hello")).text == "hello"


async def test_a_body_that_says_it_is_not_packed_is_read(ada: Person) -> None:
    for coding in ("identity", "Identity", ""):
        headers = {"Content-Encoding": coding, "Content-Type": "application/json"}
        assert (await ada.ask("POST", "/v1/posts", data=b'{"text":"x"}', headers=headers)).status == 201


async def test_a_bomb_is_never_unpacked(door: Door, ada: Person) -> None:
    packed = bomb()
    for path in ("/v1/posts", "/v1/auth/login", "/nothing", "/livez"):
        async with held() as loop:
            try:
                answer = await ada.ask("POST", path, data=packed, headers={"Content-Encoding": "gzip"})
            except OSError:
                continue  # the client still sends although the answer came long ago
        assert answer.status in (404, 405, 415)
        assert loop.longest_s < MOST_HELD_S


async def raw(door: Door, *pieces: bytes) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Open a connection for raw bytes."""
    url = urlsplit(door.url)
    reader, writer = await asyncio.open_connection(url.hostname, url.port)
    for piece in pieces:
        writer.write(piece)
    return reader, writer


async def closed(reader: asyncio.StreamReader) -> None:
    """Wait until the server has closed the connection."""
    async with asyncio.timeout(60):
        try:
            while await reader.read(65_536):
                pass
        except ConnectionError:
            pass


async def test_what_was_refused_is_not_listened_to_for_long(door: Door) -> None:
    head = b"POST /v1/posts HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n"
    reader, writer = await raw(door, head)

    async def drip() -> None:
        while True:
            writer.write(b".")
            await asyncio.sleep(0.02)

    dripping = asyncio.create_task(drip())
    assert process.LINGER_S <= 1
    await closed(reader)
    dripping.cancel()
    await asyncio.wait([dripping])
    writer.close()


@pytest.mark.parametrize(
    "said",
    [
        [],
        [b"GET /livez HTTP/1.1\r\nHost: x\r\nX-Half:"],
        [b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n"],
        [b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n", b"GET /livez HT"],
        [b"POST /v1/auth/login HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n{"],
    ],
    ids=["silent", "half a head", "idle", "half a second head", "half a body"],
)
async def test_who_says_nothing_or_half_is_cut(site: Any, monkeypatch: pytest.MonkeyPatch, said: list[bytes]) -> None:
    from support.site import serving

    assert process.PATIENCE_S <= 15
    monkeypatch.setattr(process, "PATIENCE_S", 0.4)
    monkeypatch.setattr(decoding, "BODY_S", 0.4)
    async with serving(site.plaza, site.keys) as door:
        reader, writer = await raw(door, *said)
        await closed(reader)
        writer.close()


async def test_half_a_request_that_drips_is_cut(site: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from support.site import serving

    monkeypatch.setattr(process, "PATIENCE_S", 0.6)
    async with serving(site.plaza, site.keys) as door:
        reader, writer = await raw(door, b"GET /livez HTTP/1.1\r\nX-Long: ")

        async def drip() -> None:
            while True:
                writer.write(b"a")
                await asyncio.sleep(0.05)

        dripping = asyncio.create_task(drip())
        await closed(reader)
        dripping.cancel()
        await asyncio.wait([dripping])
        writer.close()


async def test_forms_have_fewer_lines_than_would_hold_anybody_up() -> None:
    assert forms.MOST_LINES * forms.LONGEST_LINE <= MIB


@pytest.mark.parametrize("path", ["/v1/auth/login", "/v1/media"])
async def test_who_goes_in_the_middle_of_a_body_is_no_error_of_ours(
    ada: Person, capsys: pytest.CaptureFixture[str], path: str
) -> None:
    url = urlsplit(ada.door.url)
    _, writer = await asyncio.open_connection(url.hostname, url.port)
    writer.write(
        f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 60000\r\n"
        f"Authorization: Bearer {ada.tokens.access_token}\r\n"
        "Content-Type: multipart/form-data; boundary=x\r\n\r\n".encode()
    )
    writer.write(HEAD + b"x" * 50_000)
    await writer.drain()
    await asyncio.sleep(0.1)
    writer.transport.abort()
    said = ""

    async def notified() -> None:
        nonlocal said
        said += capsys.readouterr().out
        assert f"route={path} status=40" in said  # 400 or 408: the server or nginx sees it first

    await eventually(notified)
    assert "failed" not in said
