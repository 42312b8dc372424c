"""Requests that are empty, incomplete or compressed: both engines refuse them or end their connections soon."""

import asyncio
import zlib
from contextlib import suppress

import pytest
from support.loops import held
from support.pace import within

from realtime.engine import http


async def opened(client):
    answer = await client.request("GET", EIO="4", transport="polling")
    return answer.text.partition('"sid":"')[2].partition('"')[0]


async def closed(reader):
    """Return the bytes that the other side sent before it ended the connection."""
    said = b""
    with suppress(ConnectionError):
        while piece := await reader.read(65_536):
            said += piece
    return said


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "GZIP", "identity, gzip", "x"])
async def test_a_packed_body_is_refused_before_it_is_read(start, echo, coding):
    client = await start(echo)
    sid = await opened(client)
    bomb = zlib.compress(b"4" + b"x" * 60_000, wbits=31)
    headers = {"Content-Encoding": coding}
    answer = await client.request("POST", EIO="4", transport="polling", sid=sid, data=bomb, headers=headers)
    assert answer.status == 415
    assert (await client.post(sid, "4hello")).status == 200
    await client.until(lambda: echo.got == ["hello"])
    plain = await client.request(
        "POST", EIO="4", transport="polling", sid=sid, data="4x", headers={"Content-Encoding": "identity"}
    )
    assert plain.status == 200


@pytest.mark.parametrize(("coding", "wanted"), [("gzip", b" 415 "), ("identity", b" 413 ")])
async def test_what_was_refused_is_not_listened_to_for_long(start, echo, coding, wanted):
    client = await start(echo)
    sid = await opened(client)
    reader, writer = await asyncio.open_connection("127.0.0.1", client.port)
    writer.write(
        f"POST /socket.io/?EIO=4&transport=polling&sid={sid} HTTP/1.1\r\nHost: x\r\n"
        f"Content-Encoding: {coding}\r\nContent-Length: 100000000\r\n\r\n".encode()
    )

    async def drip():
        while True:
            writer.write(bytes(20_000))
            await asyncio.sleep(0.02)

    dripping = asyncio.create_task(drip())
    async with held() as loop:
        ending = asyncio.create_task(closed(reader))
        await within(http.LINGER_S + 2, ending)
    dripping.cancel()
    await asyncio.wait([dripping])
    writer.close()
    assert wanted in ending.result()
    assert loop.longest_s < 0.25


HALVES = {
    "silent": "",
    "silent after an answer": "GET /livez HTTP/1.1\r\nHost: x\r\n\r\n",
    "head": "GET /socket.io/?EIO=4 HTTP/1.1\r\nX-Half:",
    "body": "POST {} HTTP/1.1\r\nHost: x\r\n",
}


@pytest.mark.parametrize("half", HALVES)
async def test_who_says_nothing_or_half_is_cut(start, echo, engine_class, half):
    if engine_class.name == "native":
        pytest.skip("uWebSockets has 10 s of its own for this, which nobody can change")
    client = await start(echo, request_timeout_s=0.5)
    path = f"/socket.io/?EIO=4&transport=polling&sid={await opened(client)}"
    reader, writer = await asyncio.open_connection("127.0.0.1", client.port)
    writer.write(HALVES[half].format(path).encode() + b"Content-Length: 9\r\n\r\n4" * (half == "body"))
    await within(3, closed(reader))
    writer.close()


async def test_of_long_headers_little_is_kept(start, echo):
    client = await start(echo)
    headers = {"User-Agent": "x" * 3_000, "X-Forwarded-For": "y" * 900 + ", 192.0.2.1"}
    await client.request("GET", EIO="4", transport="polling", headers=headers)
    (environ,) = echo.opened_with.values()
    assert max(map(len, environ.values())) <= 512
    assert environ["HTTP_X_FORWARDED_FOR"].endswith("y, 192.0.2.1")
