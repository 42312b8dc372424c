"""The links of chaos, between a process and a server: slow, lossy, silent and reset, for one process or for all."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from loadtests.chaos.link import CLEAR, Link, Weather


@asynccontextmanager
async def echoing() -> AsyncIterator[tuple[Link, asyncio.StreamReader, asyncio.StreamWriter]]:
    """Yield a link to a server that answers with what it hears, and a connection through that link."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(100):
            writer.write(data)
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    link = Link(server.sockets[0].getsockname()[1])
    await link.open()
    reader, writer = await asyncio.open_connection("127.0.0.1", link.port)
    try:
        yield link, reader, writer
    finally:
        writer.close()
        await link.close()
        server.close()


async def test_a_clear_link_passes_everything_on() -> None:
    async with echoing() as (_, reader, writer):
        writer.write(b"hello")
        assert await reader.readexactly(5) == b"hello"


async def test_a_silent_direction_holds_bytes_back_until_the_weather_clears() -> None:
    async with echoing() as (link, reader, writer):
        for silent in ("up", "down"):
            link.change(Weather(silent=(silent,)))
            writer.write(b"hello")
            answer = asyncio.ensure_future(reader.readexactly(5))
            done, _ = await asyncio.wait([answer], timeout=0.05)
            assert not done
            link.change(CLEAR)
            assert await answer == b"hello"


async def test_the_weather_of_one_process_leaves_the_others_alone() -> None:
    async with echoing() as (link, reader, writer):
        link.change(Weather(silent=("up",)), who=lambda port: port != writer.get_extra_info("sockname")[1])
        writer.write(b"hello")
        assert await reader.readexactly(5) == b"hello"


async def test_a_reset_is_an_error_and_the_next_connection_works() -> None:
    async with echoing() as (link, reader, writer):
        writer.write(b"hello")
        await reader.readexactly(5)
        link.reset()
        with pytest.raises(ConnectionResetError):
            await reader.readexactly(5)
        again, other = await asyncio.open_connection("127.0.0.1", link.port)
        other.write(b"hello")
        assert await again.readexactly(5) == b"hello"
        other.close()


async def test_the_answer_to_a_commit_never_comes() -> None:
    async with echoing() as (link, reader, writer):
        link.change(Weather(hides_commits=True))
        writer.write(b"insert\0")
        assert await reader.readexactly(7) == b"insert\0"
        writer.write(b"commitTransaction\0")
        assert await reader.read() == b""


async def test_lost_packets_come_late_and_in_order() -> None:
    async with echoing() as (link, reader, writer):
        link.change(Weather(lost=0.5))
        for each in (b"1", b"2", b"3"):
            writer.write(each)
            await asyncio.sleep(0)
        assert await reader.readexactly(3) == b"123"
