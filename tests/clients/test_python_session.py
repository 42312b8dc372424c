"""The Python client's login without a system: whose token a request carries, and where tokens must not appear."""

import asyncio
from collections.abc import Mapping
from typing import Any, cast

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from pydantic import ValidationError

from plaza_client import NotAuthenticated, Plaza, Redirected, Unreachable
from plaza_client.connection import Connection
from plaza_client.core.retrying import Retrying
from plaza_client.errors import PlazaError
from plaza_client.models import Tokens
from plaza_client.rest import Rest
from plaza_client.session import Session

REFRESH = "/v1/auth/refresh-token"
WRITE = "/v1/posts"


def tokens(name: str, access: str = "old") -> Tokens:
    return Tokens.model_validate(
        {
            "user": {"id": name, "username": name, "display_name": name, "avatar_url": None},
            "access_token": f"{access}-access-of-{name}",
            "refresh_token": f"{access}-refresh-of-{name}",
            "expires_in": 900,
        }
    )


class Held:
    """A server that answers one path only when it is told to: with an error, or as a renewal of Ada does."""

    def __init__(self, path: str, error: PlazaError | None = None) -> None:
        self.asked, self.answer = asyncio.Event(), asyncio.Event()
        self.sent: list[tuple[str, str | None]] = []
        self._path, self._error = path, error

    async def ask(
        self,
        _method: str,
        path: str,
        _body: Any = None,
        *,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Any:
        assert params is None
        self.sent.append((path, (headers or {}).get("Authorization")))
        if path == self._path:
            self.asked.set()
            await self.answer.wait()
            if self._error:
                raise self._error
        return tokens("ada", "new").model_dump() if path == REFRESH else {}

    def session(self, kept: Tokens | None) -> Session:
        return Session(cast(Rest, self), kept, lambda _: None)


RENEWALS = {
    "renewed": None,
    "refused": NotAuthenticated(401, {"code": "invalid_token"}),
    "unanswered": Unreachable("no answer"),
}


@pytest.mark.parametrize("outcome", RENEWALS)
async def test_a_write_that_waits_for_a_renewal_is_not_sent_as_the_next_person(outcome: str) -> None:
    server = Held(REFRESH, RENEWALS[outcome])
    session = server.session(tokens("ada"))  # kept tokens are renewed at once
    writing = asyncio.create_task(session.ask("POST", WRITE, {"text": "by ada"}))
    await server.asked.wait()
    session.begin(tokens("bob"))
    server.answer.set()
    with pytest.raises(NotAuthenticated):
        await writing
    assert server.sent == [(REFRESH, None)]
    assert (session.state, session.tokens) == ("active", tokens("bob"))
    assert session.due_in_s() > 600


async def test_a_write_refused_as_expired_is_not_repeated_as_the_next_person() -> None:
    server = Held(WRITE, NotAuthenticated(401, {"code": "token_expired"}))
    session = server.session(None)
    session.begin(tokens("ada"))
    writing = asyncio.create_task(session.ask("POST", WRITE, {"text": "by ada"}))
    await server.asked.wait()
    session.begin(tokens("bob"))
    server.answer.set()
    with pytest.raises(NotAuthenticated) as refused:
        await writing
    assert refused.value.code == "session_changed"
    assert server.sent == [(WRITE, "Bearer old-access-of-ada")]
    assert session.tokens == tokens("bob")


@pytest.mark.parametrize("outcome", RENEWALS)
async def test_a_logout_during_a_renewal_is_a_refusal(outcome: str) -> None:
    server = Held(REFRESH, RENEWALS[outcome])
    session = server.session(tokens("ada"))
    writing = asyncio.create_task(session.ask("POST", WRITE))
    await server.asked.wait()
    session.end()
    server.answer.set()
    with pytest.raises(NotAuthenticated):
        await writing
    assert server.sent == [(REFRESH, None)]
    assert (session.state, session.tokens) == ("anonymous", None)


async def test_a_renewal_of_who_stays_is_used() -> None:
    server = Held(REFRESH)
    server.answer.set()
    await server.session(tokens("ada")).ask("POST", WRITE)
    assert server.sent == [(REFRESH, None), (WRITE, "Bearer new-access-of-ada")]


def test_tokens_are_not_shown() -> None:
    ada = tokens("ada")
    for shown in (repr(ada), str(ada), repr([ada])):
        assert "username='ada'" in shown
        assert "access-of" not in shown
        assert "refresh-of" not in shown
    assert ada.model_dump()["access_token"] == "old-access-of-ada"
    with pytest.raises(ValidationError) as error:
        Tokens.model_validate({"access_token": "a-secret", "refresh_token": ["a-secret"]})
    assert "a-secret" not in str(error.value)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_an_error_and_is_not_followed(status: int) -> None:
    asked: list[str] = []

    async def elsewhere(request: web.Request) -> web.Response:
        asked.append(request.path)
        return web.Response(status=status, headers={"Location": "/elsewhere"})

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", elsewhere)
    async with TestServer(app) as server, Plaza(str(server.make_url("/"))) as plaza:
        with pytest.raises(Redirected) as error:
            await plaza.login("ada", "a long password")
    assert (error.value.status, error.value.code) == (status, "redirected")
    assert asked == ["/v1/auth/login"]


@pytest.mark.parametrize("said", ["../follow-requests/bob", "0#", "0?x=y", "a/b", "%2e%2e", "é"])
async def test_a_name_is_one_segment_of_what_is_sent(said: str) -> None:
    asked: list[tuple[str, str]] = []

    async def take(request: web.Request) -> web.Response:
        asked.append((request.match_info["id"], request.query_string))
        return web.Response(status=204)

    app = web.Application()
    app.router.add_delete("/v1/posts/{id}", take)
    async with TestServer(app) as server, Plaza(str(server.make_url("/"))) as plaza:
        plaza._session.begin(tokens("ada"))
        await plaza.delete_post(said)
    assert asked == [(said, "")]


async def test_a_connection_that_is_lost_as_soon_as_it_is_there_is_waited_for_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """On a busy machine both may happen before the task that waits has its turn."""
    session = Held("").session(tokens("ada"))
    connection = Connection(
        cast(Any, None), "http://nowhere", session, cast(Any, None), retrying=Retrying(), note_retry=lambda _: None
    )
    monkeypatch.setattr(connection, "_stay", asyncio.Event().wait)
    connection.start()
    waiting = asyncio.create_task(connection.wait_online())
    for _ in range(5):
        await asyncio.sleep(0)
    connection._online.set()
    connection._online.clear()
    for _ in range(5):
        await asyncio.sleep(0)
    assert not waiting.done()
    connection._online.set()
    await waiting
    await connection.stop()
