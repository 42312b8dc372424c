"""Rate limits as clients meet them."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import pytest
from support.people import Answer, Door, Person
from support.site import Site, serving

from api.app import ALL
from api.settings import RestSettings
from social.infra.redis.limits import Rate

LOGIN = {"username": "ada", "password": "not this one"}


def limits(answer: Answer) -> dict[str, tuple[int, int]]:
    """Return the rest of each limit, and the seconds until its whole quota is back."""
    said = re.findall(r'"(\w+)";r=(\d+);t=(\d+)', answer.headers["RateLimit"])
    return {policy: (int(left), int(whole)) for policy, left, whole in said}


def another(site: Site, **settings: str) -> AbstractAsyncContextManager[Door]:
    """Run another API over these servers, with limits of its own."""
    return serving(site.plaza, site.keys, **settings)


@asynccontextmanager
async def behind(site: Site, **settings: str) -> AsyncIterator[Door]:
    """Run another API behind a proxy."""
    async with another(site, trusted_proxies="127.0.0.0/8", **settings) as door:
        yield door


def at(door: Door, person: Person) -> Person:
    return Person(door, person.tokens)


async def test_a_client_cannot_write_the_header_that_its_proxy_gives_its_address_in(site: Site) -> None:
    async with behind(site, rate_login="1/3600", client_ip_header="X-Real-IP") as door:
        for n, status in enumerate((401, 429)):
            headers = {"X-Real-IP": "203.0.113.1", "X-Forwarded-For": f"198.51.100.{n}"}
            login = {"username": f"nobody{n}", "password": "not anybody's password"}
            assert (await door.ask("POST", "/v1/auth/login", login, headers=headers)).status == status


async def test_answers_show_what_is_left_of_a_limit(site: Site, ada: Person) -> None:
    async with another(site, rate_user="10/36000") as door:
        first, second = [await at(door, ada).ask("GET", "/v1/users/me") for _ in range(2)]
        assert first.headers["RateLimit-Policy"] == '"user";q=10;w=36000'
        (left, whole), (left_then, whole_then) = limits(first)["user"], limits(second)["user"]
        assert (left, left_then) == (9, 8)
        assert 3_500 < whole <= 3_600 < whole_then <= 7_200
        refused = await at(door, ada).ask("GET", f"/v1/posts/{'0' * 24}")
        assert limits(refused)["user"][0] == 7
        wrong = await at(door, ada).ask("POST", "/v1/posts", {})
        assert limits(wrong)["user"][0] == 6


async def test_a_person_over_their_limit_is_refused_and_nobody_else(site: Site, ada: Person, bob: Person) -> None:
    async with another(site, rate_user="5/3600") as door:
        answers = [await at(door, ada).ask("POST", "/v1/posts", {"text": "spam"}) for _ in range(8)]
        assert [each.status for each in answers] == [201] * 5 + [429] * 3
        for each in answers[5:]:
            each.refused(429, "rate_limited")
            assert 600 < int(each.headers["Retry-After"]) <= 720
            assert limits(each)["user"][0] == 0
        assert (await at(door, bob).ask("GET", "/v1/users/me")).status == 200
        assert (await door.ask("GET", "/livez")).status == 200
        assert (await door.ask("POST", "/v1/auth/login", LOGIN)).status == 401
    assert len((await ada.posts(ada)).items) == 5, "what is refused is not done"


async def test_processes_count_together(site: Site, ada: Person) -> None:
    async with another(site, rate_login="6/3600") as one, another(site, rate_login="6/3600") as two:
        doors = [one, two] * 8
        answers = await asyncio.gather(*(door.ask("POST", "/v1/auth/login", LOGIN) for door in doors))
        assert sorted(each.status for each in answers) == [401] * 6 + [429] * 10


@pytest.mark.parametrize("policy", ["login", "register"])
async def test_signing_in_and_up_is_limited_by_address(site: Site, policy: str) -> None:
    async with behind(site, **{f"rate_{policy}": "3/3600"}) as door:

        async def once(address: str, n: int) -> Answer:
            body = LOGIN if policy == "login" else {"username": f"u{n}", "email": f"{n}", "password": "long enough"}
            return await door.ask("POST", f"/v1/auth/{policy}", body, headers={"X-Forwarded-For": address})

        answers = [await once("203.0.113.7", n) for n in range(5)]
        assert [each.status == 429 for each in answers] == [False] * 3 + [True] * 2
        assert set(limits(answers[0])) == {"ip", policy}
        assert (await once("198.51.100.9, 203.0.113.7", 5)).status == 429, "a client chose its address"
        assert (await once("203.0.113.8", 6)).status != 429
        assert [(await once(f"2001:db8::{n}", n)).status == 429 for n in range(4)] == [False] * 3 + [True]


async def test_without_a_proxy_that_is_trusted_the_word_of_a_client_is_nothing(site: Site) -> None:
    async with another(site, rate_login="3/3600") as door:
        answers = [
            await door.ask("POST", "/v1/auth/login", LOGIN, headers={"X-Forwarded-For": f"203.0.113.{n}"})
            for n in range(5)
        ]
        assert [each.status for each in answers] == [401] * 3 + [429] * 2


async def test_who_guesses_tokens_is_counted_by_address(site: Site, ada: Person) -> None:
    async with another(site, rate_ip="4/3600") as door:
        answers = [await door.ask("GET", "/v1/users/me", token=f"guess{n}") for n in range(6)]
        assert [each.status for each in answers] == [401] * 4 + [429] * 2
        assert (await at(door, ada).ask("GET", "/v1/users/me")).status == 200, "a person shared an address' quota"


async def test_every_route_counts(site: Site, ada: Person) -> None:
    async with another(site, public_reads="on") as door:
        for service in ALL:
            for route in service.routes:
                if route.name == "logout_all":
                    continue  # it does, and nobody counts as ada after it
                path = re.sub(r"{\w+}", "x", route.path)
                answer = await (at(door, ada) if route.auth else door).ask(route.method, path)
                policy = "user" if route.auth else "public" if route.public else "ip"
                assert set(limits(answer)) == {policy, *filter(None, [route.limit])}


@pytest.mark.parametrize("rate", ["", "10", "10/", "0/60", "10/0", "-1/60", "1.5/60", "x/y", "10/60/3"])
def test_a_rate_is_so_many_requests_in_so_many_seconds(rate: str) -> None:
    assert RestSettings(rate_login="7/60").rate_login == Rate(7, 60)
    assert RestSettings().rate_login.quota > 0
    with pytest.raises(ValueError, match="in so many seconds"):
        RestSettings(rate_login=rate)
