"""The output of a whole run, in every style and at its most verbose, contains no password and no token."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from support.eventually import eventually
from support.people import Answer, Door, door_to
from support.ports import free_ports
from support.sockets import Wire
from support.system import Embedded

PASSWORD, WRONG, NEXT = "a Password that nobody logs", "a Guess that nobody logs", "the Next one nobody logs"


class Secrets:
    """Everything of this run that only its owner may know."""

    def __init__(self) -> None:
        self.known = {PASSWORD, WRONG, NEXT}

    def of(self, answer: Answer) -> dict[str, Any]:
        """Remember the tokens in an answer."""
        tokens: dict[str, Any] = answer.body
        for name in ("access_token", "refresh_token"):
            self.known |= {tokens[name], tokens[name].rpartition(".")[2]}  # a JWT's signature alone is too much
        return tokens

    def found_in(self, text: str) -> Iterator[str]:
        """Return the secrets that a text contains."""
        yield from (each for each in self.known if each in text)


async def live(door: Door, secrets: Secrets) -> dict[str, Any]:
    """Sign up, log in and use everything else in REST, right and wrong."""
    new = {"username": "ada", "email": "ada@example.org", "password": PASSWORD}
    first = secrets.of(await door.ask("POST", "/v1/auth/register", new))
    await door.ask("POST", "/v1/auth/register", new)
    await door.ask("POST", "/v1/auth/register", {**new, "username": PASSWORD, PASSWORD: PASSWORD})
    await door.ask("POST", "/v1/auth/login", {"username": "ada", "password": WRONG})
    await door.ask("POST", "/v1/auth/login", data=f'{{"password": "{PASSWORD}"'.encode())
    second = secrets.of(await door.ask("POST", "/v1/auth/login", {"username": "ada", "password": PASSWORD}))
    renewed = secrets.of(await door.ask("POST", "/v1/auth/refresh-token", {"refresh_token": first["refresh_token"]}))
    third = secrets.of(await door.ask("POST", "/v1/auth/refresh-token", {"refresh_token": renewed["refresh_token"]}))
    reused = await door.ask("POST", "/v1/auth/refresh-token", {"refresh_token": first["refresh_token"]})
    assert reused.body["code"] == "refresh_token_reused"
    token = second["access_token"]
    for bad in (f"{token}x", token[:-4], first["refresh_token"], third["access_token"]):
        await door.ask("GET", "/v1/users/me", token=bad)
        await door.ask("GET", f"/v1/feed?access_token={bad}", token=token)
        await door.ask("GET", f"/v1/{bad}", token=token)
    post = await door.ask("POST", "/v1/posts", {"text": "hello"}, token=token, key="k")
    assert post.status == 201
    change = {"current_password": WRONG, "new_password": NEXT}
    assert (await door.ask("POST", "/v1/auth/password", change, token=token)).status == 403
    change["current_password"] = PASSWORD
    assert (await door.ask("POST", "/v1/auth/password", change, token=token)).status == 204
    await door.ask("POST", "/v1/auth/password-reset/request", {"email": "ada@example.org"})
    await door.ask("POST", "/v1/auth/password-reset", {"token": first["refresh_token"], "password": NEXT})
    assert (await door.ask("DELETE", "/v1/users/me", {"password": WRONG}, token=token)).status == 403
    return second


async def connect(port: int, token: str, secrets: Secrets) -> None:
    """Use the sockets, right and wrong."""
    async with aiohttp.ClientSession() as http:
        for auth in ({"token": token + "x"}, {"token": PASSWORD}, {}, {"token": token, "pid": token, "offset": token}):
            wire = await Wire(port, http).open(auth)
            if wire.connected:
                secrets.known.add(wire.pid)
                await wire.ask("session.renew", {"token": PASSWORD})
                await wire.ask(token, {"token": token})
                await wire.ask("post.create", {"text": "x", PASSWORD: token})
            await wire.close()


async def mailed(folder: Path, secrets: Secrets) -> None:
    """Return the tokens in the mails of this run."""

    async def look() -> None:
        mails = [path.read_text() for path in folder.glob("*.eml")]
        tokens = {text.partition("#token=")[2].split()[0] for text in mails if "#token=" in text}
        assert tokens
        secrets.known |= {token for token in tokens if len(token) > 20}

    await eventually(look)


@pytest.mark.parametrize("style", ["console", "json"])
async def test_no_log_line_of_a_run_holds_a_password_or_a_token(tmp_path: Path, style: str) -> None:
    secrets = Secrets()
    api_port, realtime_port = free_ports(2)
    system = Embedded(
        tmp_path / "var", api_port=api_port, realtime_port=realtime_port, LOG_STYLE=style, LOG_LEVEL="debug"
    )
    async with system, door_to(system.api_url) as door:
        second = await live(door, secrets)
        await connect(realtime_port, second["access_token"], secrets)
        await mailed(tmp_path / "var" / "mail", secrets)
        assert await system.stop() == 0
    said = system.output
    assert "stopping" in said
    assert len(secrets.known) > 10
    assert list(secrets.found_in(said)) == []
