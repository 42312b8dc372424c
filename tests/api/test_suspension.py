"""Suspended people: hidden as if they did not exist, until the operator lifts the suspension."""

import pytest
from support.eventually import eventually
from support.people import Person
from support.revocations import polled
from support.site import Site

from social.accounts import lifecycle
from social.contracts.people import Tokens
from social.contracts.problems import NotFound


async def test_a_suspended_person_is_out_within_two_seconds(
    ada: Person, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    await lifecycle.suspend(site.plaza.mongo, "ada", "spam")  # as the command does it: no word to any process
    await polled(site.plaza.revocations, monkeypatch)
    (await ada.ask("GET", "/v1/users/me")).refused(401, "session_revoked")
    (await ada.refresh()).refused(403, "account_suspended")


async def test_a_suspended_person_learns_it_at_login_and_only_with_the_right_password(ada: Person, site: Site) -> None:
    await lifecycle.suspend(site.plaza.mongo, "ada", None)
    for name in ("ada", ada.email):
        right = await ada.door.ask("POST", "/v1/auth/login", {"username": name, "password": ada.password})
        right.refused(403, "account_suspended")
        wrong = await ada.door.ask("POST", "/v1/auth/login", {"username": name, "password": "a guess"})
        wrong.refused(401, "invalid_credentials")


async def test_what_they_wrote_is_hidden_and_comes_back_when_it_is_lifted(ada: Person, bob: Person, site: Site) -> None:
    post, other = await ada.publish("hello"), await bob.publish("mine")
    await bob.follow(ada)
    await ada.comment(other, "rude")
    await ada.like(other)

    async def notified() -> None:
        assert len(await bob.notifications()) == 2
        assert len((await bob.feed()).items) == 2

    await eventually(notified)
    await lifecycle.suspend(site.plaza.mongo, "ada", None)
    for path in ("/v1/users/ada", "/v1/users/ada/posts", f"/v1/posts/{post.id}"):
        (await bob.ask("GET", path)).refused(404, "not_found")
    assert (await bob.search("ada")).items == (await bob.comments(other)).items == []
    assert [each.author.username for each in (await bob.feed()).items] == ["bob"]
    assert await bob.notifications() == []
    await lifecycle.lift(site.plaza.mongo, "ada")
    assert [[actor.username for actor in each.actors] for each in await bob.notifications()] == [["ada"]] * 2
    assert (await bob.see(post)).text == "hello"
    assert (await bob.comments(other)).items[0].text == "rude"
    login = await ada.door.ask("POST", "/v1/auth/login", {"username": "ada", "password": ada.password})
    login.ok(Tokens)


async def test_nobody_else_can_be_suspended(site: Site) -> None:
    for work in (lifecycle.suspend(site.plaza.mongo, "nobody", None), lifecycle.lift(site.plaza.mongo, "nobody")):
        with pytest.raises(NotFound, match="no account 'nobody'"):
            await work
