"""The system killed in the middle of a fan-out: every follower has the post, once."""

import asyncio
import signal
from pathlib import Path

from support.crash import FANNING_OUT
from support.eventually import eventually
from support.people import door_to, texts
from support.ports import free_ports
from support.processes import Program


async def test_a_post_reaches_everybody_once_though_its_fan_out_was_killed(tmp_path: Path) -> None:
    api_port, realtime_port = free_ports(2)
    url = f"http://127.0.0.1:{api_port}"
    settings = {"PLAZA_VAR": tmp_path / "var", "API_PORT": api_port, "REALTIME_PORT": realtime_port}
    settings["CRASH_ONCE"] = tmp_path / "crashed"
    program = (
        await Program("embedded", folder=tmp_path, crash=FANNING_OUT, **settings).start().answering(f"{url}/readyz")
    )
    try:
        async with door_to(url) as door:
            ada, *fans = [await door.register(f"person{n}") for n in range(7)]
            await asyncio.gather(*(fan.follow(ada) for fan in fans))
            await ada.publish("hello")
            assert (await program.ended()).code == -signal.SIGKILL
            await program.start().answering(f"{url}/readyz")

            async def arrived() -> None:
                for fan in fans:
                    assert texts(await fan.feed()) == ["hello"]

            await eventually(arrived, every_s=0.2)
            assert (await program.signal(signal.SIGTERM)).code == 0
    finally:
        await program.kill()
