"""The system is killed while it erases a deleted account: started again, it goes on where it was."""

import json
import signal
from pathlib import Path

from support.crash import FORGETTING
from support.eventually import eventually
from support.people import door_to
from support.ports import free_ports
from support.processes import Program
from support.traces import traces

from social.infra.store.mongo import Mongo


async def test_a_deleted_account_is_forgotten_though_the_system_was_killed_in_the_middle(tmp_path: Path) -> None:
    api_port, realtime_port = free_ports(2)
    url = f"http://127.0.0.1:{api_port}"
    settings = {"PLAZA_VAR": tmp_path / "var", "API_PORT": api_port, "REALTIME_PORT": realtime_port}
    settings["CRASH_ONCE"] = tmp_path / "crashed"
    program = (
        await Program("embedded", folder=tmp_path, crash=FORGETTING, **settings).start().answering(f"{url}/readyz")
    )
    try:
        async with door_to(url) as door:
            ada, bob = await door.register("ada"), await door.register("bob")
            post = await bob.publish("bob's")
            for n in range(4):
                await ada.publish(f"{n}")
                await ada.comment(post, f"{n}")
            await ada.like(post)
            await ada.follow(bob)
            await bob.follow(ada)
            await ada.ask("DELETE", "/v1/users/me", {"password": ada.password})
            assert (await program.ended()).code == -signal.SIGKILL
            await program.start().answering(f"{url}/readyz")

            async def forgotten() -> None:
                port = json.loads((tmp_path / "var" / "store.json").read_text())["port"]
                mongo = Mongo(f"mongodb://127.0.0.1:{port}/?retryWrites=false", "plaza")
                try:
                    assert await traces(mongo, ada.id, ada.email) == []
                    assert await mongo.count("parked", {}, limit=1) == 0
                finally:
                    mongo.close()

            await eventually(forgotten, every_s=0.3)
            seen, me = await bob.see(post), await bob.me()
            assert (seen.likes, seen.comments, me.followers, me.following) == (0, 0, 0, 0)
            assert (await program.signal(signal.SIGTERM)).code == 0
    finally:
        await program.kill()
