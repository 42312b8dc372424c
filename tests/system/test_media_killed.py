"""Pictures and `kill -9`: an acknowledged picture is there, and any other leaves nothing but a row that says so."""

import asyncio
from pathlib import Path

import aiohttp
import psutil
from support.eventually import eventually
from support.people import door_to
from support.pictures import kept, opened, picture, upload, uploaded
from support.ports import free_ports
from support.system import Embedded

from social.contracts.posts import Post
from social.infra.files.pictures import decoding


def decoders() -> list[int]:
    """Return the decoders of this code that run on this machine."""
    running = psutil.process_iter(["pid", "cmdline"])
    return [each.info["pid"] for each in running if str(decoding.PROGRAM) in (each.info["cmdline"] or ())]


async def test_a_killed_system_keeps_what_it_acknowledged_and_nothing_of_the_rest(tmp_path: Path) -> None:
    api_port, realtime_port = free_ports(2)
    system = Embedded(tmp_path / "var", api_port=api_port, realtime_port=realtime_port)
    pictures = tmp_path / "var/media"
    async with system:
        async with door_to(system.api_url) as door:
            ada = await door.register("ada")
            ref = await uploaded(ada, alt="a wall")
            post = (await ada.ask("POST", "/v1/posts", {"text": "look", "media": [ref.id]})).ok(Post, 201)
            before = kept(pictures)
            assert len(before) == 2
            others = set(decoders())
            work = asyncio.ensure_future(upload(ada, picture("JPEG", (5_000, 5_000)), key="k1"))

            async def decoding_it() -> set[int]:
                ours = set(decoders()) - others
                assert ours
                return ours

            ours = await eventually(decoding_it, every_s=0.002)
            await system.kill()
            try:
                await work
            except aiohttp.ClientError:
                pass
            else:
                raise AssertionError("it was killed before it could answer")

        async def ended() -> None:
            assert not ours & set(decoders())

        await eventually(ended)
        assert kept(pictures) == before
        await system.start()
        async with door_to(system.api_url) as door:
            ada.door = door
            shown = await ada.see(post)
            assert [each.alt for each in shown.media] == ["a wall"]
            assert opened((await ada.ask("GET", shown.media[0].url, token=None)).raw).size == (80, 60)
            again = await upload(ada, picture("JPEG", (5_000, 5_000)), key="k1")
            assert again.status == 201
            assert len(kept(pictures)) == 4
