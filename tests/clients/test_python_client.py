"""The Python client against a running system: its tour, its login, its repeated writes, and stores that drop."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import aiohttp
import pytest
from support.documents import blocks, shows
from support.eventually import eventually
from support.ports import free_ports
from support.system import Embedded

from loadtests.convergence import UNLIMITED, converge
from plaza_client import Conflict, NotAuthenticated, NotFound, Plaza, Retrying, Unreachable, ValidationFailed

README = "clients/python/README.md"
PASSWORD = "correct horse battery"

Make = Callable[[str], Awaitable[Plaza]]


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Embedded]:
    """Run one system for all tests of this module."""
    api, realtime = free_ports(2)
    folder = tmp_path_factory.mktemp("system") / "var"
    system = Embedded(folder, api_port=api, realtime_port=realtime, **UNLIMITED)
    asyncio.run(system.start())
    try:
        yield system
    finally:
        asyncio.run(system.kill())


@pytest.fixture
async def person(system: Embedded) -> AsyncIterator[Make]:
    """Return a function that registers a person; their clients are closed in the end."""
    made: list[Plaza] = []

    async def make(name: str) -> Plaza:
        plaza = Plaza(system.api_url, realtime=system.realtime_url, retrying=Retrying(first_s=0.05))
        made.append(plaza)
        name = f"{name}_{uuid4().hex[:8]}"
        await plaza.register(name, f"{name}@example.org", PASSWORD)
        return plaza

    yield make
    for plaza in made:
        await plaza.close()


async def test_the_tour_shows_what_the_readme_says(system: Embedded, capsys: pytest.CaptureFixture[str]) -> None:
    (tour,) = [block.text for block in blocks(README) if block.language == "py"]
    (expected,) = [block.text for block in blocks(README) if block.language == "text"]
    names: dict[str, Any] = {"__name__": "tour"}
    exec(compile(tour, README, "exec"), names)
    await asyncio.wait_for(names["main"](system.api_url, system.realtime_url), 60)
    printed = capsys.readouterr().out
    assert shows(expected, printed) is None, printed
    assert "unread: 3" in printed


async def test_every_store_equals_a_fresh_fetch_after_random_acts_and_drops(system: Embedded) -> None:
    figures = await converge(system.api_url, system.realtime_url, people=3, acts=36, drops=4)
    assert figures["different"] == []
    assert sum(figures["returns"].values()) == 3 * 4
    assert figures["skipped_and_repeated"] == [0, 0]
    assert figures["stores"] > 3 * 6


async def test_a_login_is_renewed_over_rest_and_on_the_socket_which_stays(
    person: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("plaza_client.core.retrying.RENEW_AT", 0.001)
    ada = await person("ada")
    await ada.connect()
    assert ada.tokens
    first = ada.tokens.access_token

    async def renewed() -> None:
        assert ada._connection
        assert ada.tokens
        assert ada._connection._told == ada.tokens.access_token != first

    await eventually(renewed)
    assert ada.returns == []


async def test_a_connection_that_comes_back_counts_as_a_return_even_before_the_first_event(person: Make) -> None:
    ada = await person("ada")
    await ada.connect()
    assert ada._connection
    assert ada._connection.inbox.stream.offset is None
    ada._connection._pid = None  # as after the loss of all memory of the connection
    ada._connection.cut()

    async def returned() -> None:
        assert [(each.resumed, each.gap) for each in ada.returns] == [(False, True)]

    await eventually(returned)


async def test_a_login_goes_on_from_kept_tokens_until_its_session_ends(person: Make, system: Embedded) -> None:
    ada = await person("ada")
    kept = [ada.tokens]
    async with Plaza(
        system.api_url, realtime=system.realtime_url, tokens=kept[0], on_tokens=kept.append, retrying=Retrying(0.05)
    ) as again:
        await again.feed.ready()
        assert again.user == ada.user
        await again.rest("POST", "/v1/auth/logout-all")

        async def ended() -> None:
            assert (again.state, again.user, kept[-1]) == ("ended", None, None)

        await eventually(ended)
        assert again.reason == "logout_all"
        with pytest.raises(NotAuthenticated):
            await again.notifications.ready()
        with pytest.raises(NotAuthenticated):
            await again.publish("too late")


async def test_a_logout_ends_the_session_here_and_on_the_server(person: Make, system: Embedded) -> None:
    ada = await person("ada")
    kept = ada.tokens
    await ada.connect()
    await ada.logout()
    assert (ada.state, ada.tokens) == ("anonymous", None)
    async with Plaza(system.api_url, tokens=kept) as again:
        with pytest.raises(NotAuthenticated):
            await again.rest("GET", "/v1/users/me")
    await ada.logout()  # nobody is logged in: nothing to end


async def test_a_login_while_a_logout_is_under_way_stays(person: Make) -> None:
    ada, bob = await person("ada"), await person("bob")
    assert bob.user
    ended = asyncio.create_task(ada.logout())
    await asyncio.sleep(0)
    await ada.login(bob.user.username, PASSWORD)
    await ended
    assert ada.user is not None
    assert ada.user.id == bob.user.id


async def test_a_refusal_is_an_error_of_its_kind(person: Make) -> None:
    ada = await person("ada")
    assert ada.user
    with pytest.raises(Conflict) as taken:
        await ada.register(ada.user.username, "somebody@example.org", PASSWORD)
    assert taken.value.code == "username_taken"
    with pytest.raises(ValidationFailed) as invalid:
        await ada.rest("POST", "/v1/posts", {"text": 42})
    assert set(invalid.value.fields) == {"/text"}
    assert invalid.value.request_id
    with pytest.raises(NotFound):
        await ada.send("post.like", {"post_id": "0" * 24})
    missing = await ada.post("0" * 24).ready()
    assert missing.value is None


@pytest.mark.parametrize("said", ["", ".", ".."])
async def test_what_cannot_be_an_id_names_no_path(said: str) -> None:
    async with Plaza("http://127.0.0.1:9") as plaza:
        with pytest.raises(ValueError, match="is no id"):
            await plaza.delete_post(said)


async def test_an_id_stays_one_segment_of_the_path(person: Make) -> None:
    ada, bob = await person("ada"), await person("bob")
    assert ada.user
    assert bob.user
    await ada.follow(bob.user.username)
    with pytest.raises((NotFound, ValidationFailed)):
        await ada.unlike(f"../users/{bob.user.username}/follow?")
    assert (await ada.rest("GET", f"/v1/users/{bob.user.username}"))["relationship"]["following"]


async def test_a_request_is_not_sent_as_somebody_else(person: Make) -> None:
    ada, bob = await person("ada"), await person("bob")
    assert ada.user
    assert bob.user
    session = ada._session
    async with session._renewing:  # as while the tokens are renewed
        writing = asyncio.create_task(ada.publish("by ada"))
        await asyncio.sleep(0)
        session._tokens = bob._session._tokens
    with pytest.raises(NotAuthenticated, match="Another person"):
        await writing


async def test_a_write_whose_answer_is_lost_is_repeated_and_done_once(person: Make) -> None:
    ada, lost = await person("ada"), [True]
    real = ada._http.request

    @asynccontextmanager
    async def losing(method: str, url: str, **more: Any) -> AsyncIterator[aiohttp.ClientResponse]:
        async with real(method, url, **more) as response:
            if method == "POST" and lost and lost.pop():
                raise aiohttp.ServerDisconnectedError
            yield response

    ada._rest._http = type("Losing", (), {"request": staticmethod(losing)})()
    post = await ada.publish("once")
    assert not lost
    page = await ada.rest("GET", f"/v1/users/{post.author.username}/posts")
    assert [each["id"] for each in page["items"]] == [post.id]


async def test_a_server_that_is_away_is_unreachable_after_a_while() -> None:
    (port,) = free_ports(1)
    async with Plaza(f"http://127.0.0.1:{port}", retrying=Retrying(first_s=0.01, give_up_s=0.05)) as plaza:
        with pytest.raises(Unreachable) as error:
            await plaza.login("ada", PASSWORD)
        assert (error.value.status, error.value.code) == (0, "unreachable")


async def test_a_list_longer_than_a_page_is_loaded_further_and_stays_live(
    person: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("plaza_client.plaza.PAGE", "5")
    ada = await person("ada")
    await asyncio.gather(*(ada.publish(f"post {number}") for number in range(8)))
    stop = ada.feed.subscribe(lambda _: None)

    async def everything_is_there() -> None:
        assert (await ada.feed.refresh()).more

    await eventually(everything_is_there)
    whole = await ada.feed.load_more()
    assert (len(whole.items), whole.more) == (8, False)
    post = await ada.publish("the newest")
    assert (await ada.feed.until(lambda feed: len(feed.items) == 9)).items[0].id == post.id
    stop()


async def test_a_store_is_closed_after_its_last_subscriber_and_leaves_its_room(person: Make) -> None:
    ada = await person("ada")
    post = await ada.publish("hello")
    shown, comments = ada.post(post.id), ada.comments(post.id)
    assert shown is ada.post(post.id)
    stop, stop_comments = shown.subscribe(lambda _: None), comments.subscribe(lambda _: None)
    await shown.ready()
    await comments.ready()
    stop()
    await ada.comment(post.id, "still heard")
    await comments.until(lambda each: len(each.items) == 1)
    stop_comments()

    async def left() -> None:
        assert not ada._rooms._needed

    await eventually(left)


def test_the_folder_is_what_the_package_says() -> None:
    folder = Path(__file__).parents[2] / "clients/python"
    assert (folder / "plaza_client/py.typed").exists()
    assert (folder / "LICENSE").read_text() == (folder.parents[1] / "LICENSE").read_text()
    assert (folder.parents[1] / "plaza_client").resolve() == folder / "plaza_client"
