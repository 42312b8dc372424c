"""A change of the key that signs access tokens while everything runs: no valid token is ever refused."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp
import jwt
import pytest
from support.eventually import eventually
from support.people import Door, Person, door_to
from support.ports import free_ports
from support.processes import Program
from support.sockets import Wire

from social.contracts.codec import decode, encode
from social.contracts.people import Tokens
from social.infra.security.keyfiles import make_keys

PROCESSES = ("api", "realtime")


class Running(NamedTuple):
    """API and gateway as processes of their own, over one folder of keys."""

    folder: Path
    door: Door
    http: aiohttp.ClientSession
    gateway: int

    async def keys(self, what: str) -> str:
        """Run `python -m social keys …`."""
        done = await Program("social", "keys", what, str(self.folder), folder=self.folder).start().ended()
        assert (done.code, done.err) == (0, ""), done
        return done.out.split()[-1]

    async def connects(self, token: str) -> bool:
        wire = await Wire(self.gateway, self.http).open({"token": token})
        await wire.close()
        return wire.connected is not None

    async def lets_in(self, token: str) -> tuple[bool, bool]:
        """Assert that API and gateway accept a token."""
        answer = await self.door.ask("GET", "/v1/users/me", token=token)
        return answer.status == 200, await self.connects(token)

    async def published(self) -> list[str]:
        return [key["kid"] for key in (await self.door.ask("GET", "/.well-known/jwks.json")).body["keys"]]


@pytest.fixture
async def running(
    tmp_path: Path, mongo_url: str, mongo_database: str, redis_url: str, amqp_url: str
) -> AsyncIterator[Running]:
    make_keys(tmp_path)
    api_port, gateway_port = free_ports(2)
    settings: dict[str, Any] = {
        "MONGO_URL": mongo_url,
        "MONGO_DATABASE": mongo_database,
        "REDIS_URL": redis_url,
        "BROKER_URL": amqp_url,
        "JWT_PRIVATE_KEY_FILE": tmp_path / "jwt.pem",
        "JWT_JWKS": tmp_path / "jwks.json",
        "REFRESH_KEY_FILE": tmp_path / "refresh.key",
        "PID_KEY": (tmp_path / "pid.key").read_text(),
        "API_HOST": "127.0.0.1",
        "API_PORT": api_port,
        "REALTIME_HOST": "127.0.0.1",
        "REALTIME_PORT": gateway_port,
        "DRAIN_S": 0,
    }
    assert (await Program("social", "migrate", folder=tmp_path, **settings).start().ended()).code == 0
    async with AsyncExitStack() as stack:
        programs = [Program(name, folder=tmp_path, **settings).start() for name in PROCESSES]
        for program, port in zip(programs, (api_port, gateway_port), strict=True):
            stack.push_async_callback(program.kill)
            await program.answering(f"http://127.0.0.1:{port}/readyz")
        http = await stack.enter_async_context(aiohttp.ClientSession())
        door = await stack.enter_async_context(door_to(f"http://127.0.0.1:{api_port}"))
        yield Running(tmp_path, door, http, gateway_port)


def kid(token: str) -> str:
    return str(jwt.get_unverified_header(token)["kid"])


async def signed_with(ada: Person, key: str) -> Tokens:
    async def look() -> Tokens:
        tokens = (await ada.refresh()).ok(Tokens)
        assert kid(tokens.access_token) == key
        return tokens

    return await eventually(look)


async def test_tokens_of_the_old_and_the_new_key_are_accepted_everywhere(running: Running) -> None:
    ada = await running.door.register("ada")
    old = ada.tokens.access_token
    wire = await Wire(running.gateway, running.http).open({"token": old})
    for _ in range(2):  # a third key
        new_key = await running.keys("rotate")
        ada.tokens = await signed_with(ada, new_key)
        assert await running.lets_in(ada.tokens.access_token) == (True, True)
        assert await running.lets_in(old) == (True, True)
    assert len(await running.published()) == 3
    assert not wire.closed.is_set()
    assert (await wire.ask("session.renew", {"token": ada.tokens.access_token}))["ok"]
    await wire.close()


async def test_nobody_is_refused_while_keys_change(running: Running) -> None:
    """A person refreshes and uses each new token at once, on both processes, all the time."""
    ada, seen, over = await running.door.register("ada"), set[str](), asyncio.Event()

    async def use() -> None:
        while not over.is_set():
            ada.tokens = (await ada.refresh()).ok(Tokens)
            seen.add(kid(ada.tokens.access_token))
            assert await running.lets_in(ada.tokens.access_token) == (True, True)

    async with asyncio.TaskGroup() as group:
        group.create_task(use())
        for _ in range(3):
            new_key = await running.keys("rotate")

            async def used(new_key: str = new_key) -> None:
                assert new_key in seen

            await eventually(used)
        over.set()
    assert len(seen) == 4


async def test_in_two_steps_a_key_is_published_before_it_signs(running: Running) -> None:
    ada = await running.door.register("ada")
    old_key, new_key = kid(ada.tokens.access_token), await running.keys("publish")

    async def published() -> None:
        assert await running.published() == [old_key, new_key]

    await eventually(published)
    assert kid((await ada.refresh()).ok(Tokens).access_token) == old_key
    assert await running.keys("sign") == new_key
    ada.tokens = await signed_with(ada, new_key)
    assert await running.lets_in(ada.tokens.access_token) == (True, True)


async def test_a_key_whose_tokens_are_over_is_gone(running: Running) -> None:
    ada = await running.door.register("ada")
    old, jwks = ada.tokens.access_token, running.folder / "jwks.json"
    new_key = await running.keys("rotate")
    keys = decode(jwks.read_bytes())["keys"]
    assert [("exp" in key) for key in keys] == [True, False]
    new = running.folder / "jwks.next"
    new.write_bytes(encode({"keys": [{**key, "exp": 1} if "exp" in key else key for key in keys]}))
    new.rename(jwks)

    async def gone() -> None:
        assert await running.published() == [new_key]
        assert await running.lets_in(old) == (False, False)

    await eventually(gone)
    await running.keys("rotate")
    assert len(decode(jwks.read_bytes())["keys"]) == 2  # it is no longer in the file either


async def test_files_that_make_no_sense_change_nothing(running: Running) -> None:
    ada = await running.door.register("ada")
    for name in ("jwks.json", "jwt.pem"):
        (running.folder / name).write_text("nonsense")
    await asyncio.sleep(1.2)  # by then both have looked
    ada.tokens = (await ada.refresh()).ok(Tokens)
    assert await running.lets_in(ada.tokens.access_token) == (True, True)
    done = await Program("social", "keys", "rotate", str(running.folder), folder=running.folder).start().ended()
    assert (done.code, done.err.count("\n")) == (1, 1)
