"""The demo in the memory of a small plan: killed under load, started again on its disk, and stopped."""

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import aiohttp
import psutil
from support.eventually import eventually
from support.image import build
from support.machine import Machine, demo_settings
from support.people import Person, door_to
from support.pictures import picture, upload
from support.processes import Program
from support.sockets import Wire

from social.contracts.media import MediaRef
from social.contracts.posts import Post

PLAN_MB = 512
ROOM_MB = 128  # of it for what is not measured here: the kernel's buffers, and more people
PEOPLE = 6
WRITES = 20  # acknowledged ones before it is killed
SAMPLED_EVERY_S = 0.2
LARGEST = (5_000, 5_000)  # 25 megapixels, the most that is accepted


@asynccontextmanager
async def weighed(program: Program) -> AsyncIterator[list[float]]:
    """Yield the megabytes of all processes of a program together, sampled meanwhile; shared pages count once."""
    found: list[float] = []

    async def sample() -> None:
        while True:
            found.append(await asyncio.to_thread(megabytes, program))
            await asyncio.sleep(SAMPLED_EVERY_S)

    sampling = asyncio.create_task(sample())
    try:
        yield found
    finally:
        sampling.cancel()


def megabytes(program: Program) -> float:
    """Return the memory of a program and its children."""
    assert program.process is not None
    total = 0
    with suppress(psutil.NoSuchProcess):
        for process in [psutil.Process(program.process.pid), *program.children()]:
            with suppress(psutil.NoSuchProcess):  # a decoder that is done
                total += process.memory_full_info().pss
    return total / 2**20


async def test_a_demo_in_512_mb_loses_nothing_when_it_is_killed(tmp_path: Path) -> None:
    build(tmp_path / "app", "demo-code")
    assert (tmp_path / "app/deploy/demo.sh").is_file()
    before = set((tmp_path / "app").rglob("*"))
    machine = Machine(tmp_path, code=tmp_path / "app")
    settings = {**demo_settings(), "PYTHONDONTWRITEBYTECODE": "1"}
    program = await machine.on_one_port(**settings)
    published: list[Post] = []
    liked: set[str] = set()
    try:
        async with door_to(machine.url) as door, aiohttp.ClientSession() as http, weighed(program) as weights:
            ada, *others = [await door.register(f"person{number}") for number in range(PEOPLE)]
            wires = [await Wire(machine.api_port, http).open({"token": each.tokens.access_token}) for each in others]
            hers = await Wire(machine.api_port, http).open({"token": ada.tokens.access_token})
            for answer in await asyncio.gather(*(upload(each, picture("JPEG", LARGEST)) for each in (ada, others[0]))):
                answer.ok(MediaRef, 201)

            async def write(fan: Person) -> None:
                with suppress(aiohttp.ClientError):
                    while True:
                        post = await ada.publish("hello")
                        published.append(post)
                        await fan.like(post)
                        liked.add(post.id)

            writing = [asyncio.create_task(write(each)) for each in others]
            async with asyncio.timeout(120):
                while len(liked) < WRITES and not any(each.done() for each in writing):
                    await asyncio.sleep(0.01)
            await program.kill()
            await asyncio.gather(*writing)
            assert max(weights) < PLAN_MB - ROOM_MB, weights
            for wire in (hers, *wires):
                await wire.closed.wait()
        program = await machine.on_one_port(**settings)
        async with door_to(machine.url) as door:
            again = Person(door, ada.tokens)
            for post in published:
                await again.see(post)

            async def heard() -> None:
                assert {each.post_id for each in (await again.inbox("?limit=50")).items} >= liked

            await eventually(heard)
        ended = await program.signal(signal.SIGTERM, timeout_s=60)
        assert (ended.code, ended.err) == (0, "")
    finally:
        await machine.kill()
    assert set((tmp_path / "app").rglob("*")) == before, "the file system of the image is read-only"
